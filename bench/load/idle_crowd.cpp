#include "load/idle_crowd.h"

#include <poll.h>

#include <algorithm>

#include "milter_peer/milter_peer.h"

namespace sluice::load {

Result<IdleCrowd> IdleCrowd::open(const peer::Endpoint& endpoint, std::size_t size) {
  constexpr auto kPatience = std::chrono::seconds(60);
  IdleCrowd crowd;
  crowd.links_.reserve(size);
  for (std::size_t i = 0; i < size; ++i) {
    auto peer = peer::MilterPeer::attach(endpoint, {}, kPatience);
    if (!peer) return tl::unexpected(peer.error());
    const auto connected = peer->connect();
    const auto greeted = peer->helo("idle.far.example");
    if (!connected || !greeted || !connected->lets_pass() || !greeted->lets_pass())
      return temporary("the filter does not take idle connection " + std::to_string(i));
    crowd.links_.push_back(std::move(peer->link()));
  }
  return crowd;
}

std::size_t IdleCrowd::lost() const {
  return static_cast<std::size_t>(
      std::count_if(links_.begin(), links_.end(), [](const peer::Link& link) {
        pollfd entry{link.fd(), POLLIN, 0};
        return ::poll(&entry, 1, 0) > 0;
      }));
}

}  // namespace sluice::load
