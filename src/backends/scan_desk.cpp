#include "backends/scan_desk.h"

#include <algorithm>
#include <future>

#include "backends/scan_job.h"

namespace sluice::backends {

ScanDesk::ScanDesk(EventLoop& loop, const Clock& clock, ScannerOptions options,
                   std::unique_ptr<ScanProtocol> protocol)
    : loop_(loop),
      clock_(clock),
      options_(std::move(options)),
      protocol_(std::move(protocol)),
      servers_(options_.addresses.size()) {
  for (std::size_t i = 0; i < servers_.size(); ++i)
    servers_[i].told.at = options_.addresses[i].to_string();
}

std::shared_ptr<ScanDesk> ScanDesk::start(EventLoop& loop, const Clock& clock,
                                          ScannerOptions options,
                                          std::unique_ptr<ScanProtocol> protocol) {
  return std::shared_ptr<ScanDesk>(
      new ScanDesk(loop, clock, std::move(options), std::move(protocol)));
}

std::shared_ptr<ScanJob> ScanDesk::begin(std::shared_ptr<const ScanEnvelope> envelope) {
  return std::make_shared<ScanJob>(shared_from_this(), std::move(envelope));
}

ScannerHealth ScanDesk::health() const {
  const std::lock_guard lock(mutex_);
  ScannerHealth health{std::string(protocol_->name()), {}, open_, waiting_, scanned_, unscanned_};
  for (const Server& server : servers_) health.addresses.push_back(server.told);
  return health;
}

void ScanDesk::close() {
  std::promise<void> closed;
  loop_.post([this, &closed] {
    is_closed_ = true;
    end_all();
    closed.set_value();
  });
  closed.get_future().wait();
}

void ScanDesk::end_all() {
  const auto queue = std::exchange(queue_, {});
  const auto talking = talking_;
  for (const auto& job : queue) job->end("the scanner is closed");
  for (const auto& job : talking) job->end("the scanner is closed");
}

bool ScanDesk::take_place(const std::shared_ptr<ScanJob>& job) {
  const bool is_free = talking_.size() < options_.connections;
  if (!is_free && queue_.size() >= options_.waiting) return false;
  if (is_free) {
    talking_.push_back(job);
  } else {
    queue_.push_back(job);
  }
  {
    const std::lock_guard lock(mutex_);
    open_ = talking_.size();
    waiting_ = queue_.size();
  }
  if (is_free) job->talk();
  return true;
}

void ScanDesk::leave_place(const ScanJob& job) {
  const auto is_it = [&job](const auto& one) { return one.get() == &job; };
  std::erase_if(queue_, is_it);
  const bool has_talked = std::erase_if(talking_, is_it) > 0;
  std::shared_ptr<ScanJob> next;
  if (has_talked && !queue_.empty() && talking_.size() < options_.connections) {
    next = std::move(queue_.front());
    queue_.pop_front();
    talking_.push_back(next);
  }
  {
    const std::lock_guard lock(mutex_);
    open_ = talking_.size();
    waiting_ = queue_.size();
  }
  // Later: a row of servers that are away must not become a row of calls within calls.
  if (next) loop_.post([next] { next->talk(); });
}

std::optional<std::size_t> ScanDesk::pick(const std::vector<bool>& tried) {
  const auto now = EventLoop::Steady::now();
  for (std::size_t i = 0; i < servers_.size(); ++i) {
    const std::size_t at = (turn_ + i) % servers_.size();
    Server& server = servers_[at];
    if (tried[at] || (server.told.away && (server.is_probed || now < server.away_until))) continue;
    server.is_probed = server.told.away;
    turn_ = at + 1;
    const std::lock_guard lock(mutex_);
    ++server.told.asked;
    return at;
  }
  return std::nullopt;
}

void ScanDesk::succeeded(std::size_t address) {
  Server& server = servers_[address];
  server.failures = 0;
  server.is_probed = false;
  const bool is_back = server.told.away;
  {
    const std::lock_guard lock(mutex_);
    ++server.told.answered;
    server.told.away = false;
  }
  if (is_back && options_.tell)
    options_.tell(false,
                  std::string(protocol_->name()) + " at " + server.told.at + " answers again");
}

void ScanDesk::failed(std::size_t address, const std::string& what) {
  Server& server = servers_[address];
  server.is_probed = false;
  const bool is_away = ++server.failures >= options_.failures;
  const bool is_news = is_away && !server.told.away;
  if (is_away) server.away_until = EventLoop::Steady::now() + options_.away_for;
  {
    const std::lock_guard lock(mutex_);
    ++server.told.failed;
    server.told.what = what;
    server.told.away = is_away;
  }
  if (is_news && options_.tell)
    options_.tell(true,
                  std::string(protocol_->name()) + " at " + server.told.at + " is away: " + what);
}

void ScanDesk::given_up(std::size_t address) { servers_[address].is_probed = false; }

void ScanDesk::ended(bool scanned) {
  const std::lock_guard lock(mutex_);
  ++(scanned ? scanned_ : unscanned_);
}

}  // namespace sluice::backends
