// The MTA's side of the service: the listening places of the configuration and the engine behind them.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "app/config.h"
#include "base/result.h"
#include "milter/front_end.h"
#include "milter/listener.h"

namespace sluice::app {

class Attachment {
 public:
  // Listens; serves nobody yet. Errors: Config for a place or a user that cannot be, Temporary for a
  // place that is taken.
  static Result<Attachment> open(const ServiceConfig& config);
  // Takes sessions from `source`, which outlives it, from now on. Call it where it stays: sessions
  // may begin before it returns. Error: Temporary.
  Result<void> serve(milter::SessionSource& source, const engine::Resources& resources);

  milter::FrontEnd* operator->() const { return front_end_.get(); }
  bool is_open() const { return front_end_ != nullptr; }
  // Without their descriptors once it serves: the front end has them.
  const std::vector<milter::Listener>& listeners() const { return listeners_; }
  // "unix:/run/sluice/milter.sock, fd:3 (inet:127.0.0.1:8899)"
  std::string at() const;
  // Of the listening sockets, of an inherited one where it is.
  const std::vector<std::string>& addresses() const { return addresses_; }

 private:
  std::unique_ptr<milter::FrontEnd> front_end_;
  std::vector<milter::Listener> listeners_;
  std::vector<milter::ListeningPlace> places_;
  std::vector<std::string> addresses_;
};

}  // namespace sluice::app
