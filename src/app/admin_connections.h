// AdminConnections: which connections the admin server holds, so that somebody who opens many and says
// nothing keeps nobody else out: when one more comes than may be held, the one whose last whole request
// (or, without any, whose beginning) is the longest ago is cut off.
//
// Threads: any. A descriptor must be ended here before it is closed, so that no other is cut in its
// place.
#pragma once
#include <cstddef>
#include <list>
#include <mutex>

namespace sluice::app {

class AdminConnections {
 public:
  explicit AdminConnections(std::size_t most) : most_(most) {}

  using Place = std::list<int>::iterator;
  Place begin(int fd);       // a connection was accepted; may cut another
  void asked(Place place);   // the head of a request has come
  void end(Place place);     // it is about to be closed
  std::size_t size() const;  // held, those cut off not counted

 private:
  const std::size_t most_;
  mutable std::mutex mutex_;
  std::list<int> held_;  // the one to cut next first
  std::list<int> cut_;   // shut down, not yet closed by the server
};

}  // namespace sluice::app
