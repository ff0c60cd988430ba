#include "milter/reactor.h"

#include <unistd.h>

#include <algorithm>
#include <future>

#include "milter/link.h"

namespace sluice::milter::wire {
namespace {

constexpr std::size_t kReadAtOnce = 128 * 1024;
constexpr std::size_t kKeptForWriting = 64 * 1024;  // a larger answer's buffer is given back
constexpr Duration kSweepEvery{1'000};
constexpr Duration kFirstWord{2'000};  // of an MTA that has connected just before the stop

}  // namespace

Result<std::unique_ptr<Reactor>> Reactor::start(const std::string& name, Shared& shared,
                                                const Patience& patience) {
  auto loop = backends::EventLoop::start(name);
  if (!loop) return tl::unexpected(loop.error());
  return std::unique_ptr<Reactor>(new Reactor(std::move(*loop), shared, patience));
}

Reactor::Reactor(std::unique_ptr<backends::EventLoop> loop, Shared& shared,
                 const Patience& patience)
    : loop_(std::move(loop)),
      shared_(shared),
      patience_(patience),
      bell_(std::make_shared<Doorbell>(*loop_)),
      reading_(kReadAtOnce) {
  loop_->post([this] { sweep(); });
}

Reactor::~Reactor() {
  end_sessions();
  bell_->disconnect();
  loop_.reset();
}

void Reactor::adopt(int fd, Place& place) {
  ++connections_;
  ++place.open;
  loop_->post([this, fd, &place] {
    const LinkId id = ++last_id_;
    const auto added = links_.emplace(id, std::make_unique<Link>(*this, id, fd, place));
    added.first->second->begin();
  });
}

void Reactor::visit(LinkId id, const std::function<bool(Link&)>& visit) {
  const auto at = links_.find(id);
  if (at != links_.end() && !visit(*at->second)) drop(id);
  if (writing_.capacity() > kKeptForWriting) std::string().swap(writing_);
}

void Reactor::drop(LinkId id) {
  if (links_.erase(id) > 0) --connections_;
}

void Reactor::hurry_negotiations() {
  loop_->post([this] { patience_.negotiation = std::min(patience_.negotiation, kFirstWord); });
}

void Reactor::end_sessions() {
  std::promise<void> done;
  loop_->post([this, &done] {
    connections_ -= links_.size();
    links_.clear();
    done.set_value();
  });
  done.get_future().wait();
}

void Reactor::sweep() {
  const auto now = loop_->now();
  for (auto at = links_.begin(); at != links_.end();) {
    if (!at->second->is_overdue(now)) {
      ++at;
      continue;
    }
    at = links_.erase(at);
    --connections_;
  }
  loop_->in(kSweepEvery, [this] { sweep(); });
}

}  // namespace sluice::milter::wire
