// idle_crowd.h - connections that negotiate, connect, say HELO and then hold still.
//
// Opening is blocking; a filter that refuses one ends it with an Error. Closed on destruction.
#pragma once

#include <cstddef>
#include <vector>

#include "base/result.h"
#include "milter_peer/link.h"

namespace sluice::load {

class IdleCrowd {
 public:
  static Result<IdleCrowd> open(const peer::Endpoint& endpoint, std::size_t size);
  std::size_t size() const { return links_.size(); }
  // How many the filter has closed since.
  std::size_t lost() const;

 private:
  std::vector<peer::Link> links_;
};

}  // namespace sluice::load
