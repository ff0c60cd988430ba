#include "backends/cares_resolver.h"

#include <signal.h>
#include <sys/random.h>

#include <algorithm>
#include <deque>
#include <mutex>
#include <queue>
#include <thread>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "backends/cares_channel.h"
#include "backends/dns_cache.h"
#include "backends/dns_message.h"
#include "backends/dns_name.h"

namespace sluice::backends {

namespace {

using Steady = std::chrono::steady_clock;
constexpr std::chrono::milliseconds kIdle{60'000};  // nothing to do: look around once a minute
constexpr Duration kLongestWait{60'000};            // a later deadline is this one

struct Waiter {
  Steady::time_point deadline;
  DnsDone done;
};

// One question that somebody waits for, or that is still on its way.
struct Question {
  std::string name;
  DnsType type;
  std::vector<Waiter> waiters;
  bool on_its_way = false;
  bool slow = false;  // on its way for kSlowAfter
};

struct Sent {
  Steady::time_point at;
  std::string key;
};

// A deadline to look at; that it may be over already (answered) is found out then.
struct Due {
  Steady::time_point at;
  std::string key;
  bool operator<(const Due& other) const { return at > other.at; }  // earliest on top
};

const DnsAnswer& timeout_answer() {
  static const DnsAnswer answer{};
  return answer;
}
const DnsAnswer& no_such_name() {
  static const DnsAnswer answer{.status = DnsStatus::NxDomain, .records = {}};
  return answer;
}

std::uint16_t random_id() {
  std::uint16_t id = 0;
  // Short of entropy only before the system has any; an id guessed then is c-ares's question
  // check's concern.
  [[maybe_unused]] const auto got = getrandom(&id, sizeof id, GRND_NONBLOCK);
  return id;
}

}  // namespace

class CaresResolver::Desk {
 public:
  Desk(std::unique_ptr<CaresChannel> channel, std::size_t cache_entries)
      : channel_(std::move(channel)), cache_(cache_entries) {}
  ~Desk();
  Desk(const Desk&) = delete;
  Desk& operator=(const Desk&) = delete;

  void start();
  // nullptr: not in the cache.
  std::shared_ptr<const DnsAnswer> look(std::string_view name, DnsType type);
  void ask(std::string name, DnsType type, Duration patience, DnsDone done);
  void forget(const std::string& name, DnsType type);
  DnsCounts counts() const;

 private:
  enum class Asked { FromCache, Waits, TurnedAway };
  Asked enlist(std::string name, DnsType type, Steady::time_point deadline, DnsDone& done,
               std::shared_ptr<const DnsAnswer>& cached);

  // On the resolver's thread.
  void run();
  bool send_next();
  void send(const std::string& key, const std::string& name, DnsType type, bool edns);
  void replied(const std::string& key, std::uint16_t id, bool edns, TransportStatus status,
               std::string_view bytes);
  void finish(const std::string& key, const DnsReply& reply);
  void expire(Steady::time_point now);
  void note_slow(Steady::time_point now);
  std::chrono::milliseconds until_next_due(Steady::time_point now);
  void dismiss_all();
  std::uint16_t fresh_id();

  std::unique_ptr<CaresChannel> channel_;
  std::unordered_set<std::uint16_t> ids_;  // on their way; the thread's alone
  std::thread thread_;

  mutable std::mutex mutex_;  // guards all below; never held while calling c-ares or a caller
  DnsCache cache_;
  std::unordered_map<std::string, Question, KeyedHash, std::equal_to<>> questions_;
  std::deque<std::string> queue_;  // keys to be sent
  std::priority_queue<Due> due_;
  std::size_t waiting_ = 0;
  std::deque<Sent> sent_;      // oldest first; may be answered already
  std::size_t in_flight_ = 0;  // on their way and not slow
  std::size_t slow_ = 0;
  DnsCounts counts_;
  bool stopping_ = false;
};

// --- for callers ---

std::shared_ptr<const DnsAnswer> CaresResolver::Desk::look(std::string_view name, DnsType type) {
  const Steady::time_point now = Steady::now();
  const std::lock_guard lock(mutex_);
  auto cached = cache_.find(name, type, now);
  if (cached) {
    ++counts_.asked;
    ++counts_.cached;
  }
  return cached;
}

CaresResolver::Desk::Asked CaresResolver::Desk::enlist(std::string name, DnsType type,
                                                       Steady::time_point deadline, DnsDone& done,
                                                       std::shared_ptr<const DnsAnswer>& cached) {
  const std::lock_guard lock(mutex_);
  ++counts_.asked;
  cached = cache_.find(name, type, Steady::now());
  if (cached) {
    ++counts_.cached;
    return Asked::FromCache;
  }
  if (waiting_ >= kMaxWaiting || queue_.size() >= kMaxWaiting || stopping_) {
    ++counts_.turned_away;
    return Asked::TurnedAway;
  }
  std::string key = question_key(name, type);
  const auto [at, is_new] = questions_.try_emplace(key);
  Question& question = at->second;
  if (is_new) {
    question.name = std::move(name);
    question.type = type;
    queue_.push_back(key);
  } else {
    ++counts_.joined;
  }
  question.waiters.push_back({deadline, std::move(done)});
  ++waiting_;
  due_.push({deadline, std::move(key)});
  return Asked::Waits;
}

void CaresResolver::Desk::ask(std::string name, DnsType type, Duration patience, DnsDone done) {
  std::shared_ptr<const DnsAnswer> cached;
  switch (enlist(std::move(name), type, Steady::now() + patience, done, cached)) {
    case Asked::Waits:
      channel_->wake();
      break;
    case Asked::FromCache:
      done(*cached);
      break;
    case Asked::TurnedAway:
      done(timeout_answer());
      break;
  }
}

void CaresResolver::Desk::forget(const std::string& name, DnsType type) {
  const std::lock_guard lock(mutex_);
  cache_.forget(name, type);
}

DnsCounts CaresResolver::Desk::counts() const {
  const std::lock_guard lock(mutex_);
  DnsCounts counts = counts_;
  counts.entries = cache_.size();
  return counts;
}

// --- the thread ---

void CaresResolver::Desk::start() {
  // Signals are the main thread's.
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_BLOCK, &all, &before);
  thread_ = std::thread([this] { run(); });
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

CaresResolver::Desk::~Desk() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  channel_->wake();
  if (thread_.joinable()) thread_.join();
}

void CaresResolver::Desk::run() {
  for (;;) {
    while (send_next()) {
    }
    {
      const std::lock_guard lock(mutex_);
      if (stopping_) break;
    }
    channel_->run_once(until_next_due(Steady::now()));
    const Steady::time_point now = Steady::now();
    note_slow(now);
    expire(now);
  }
  dismiss_all();
}

bool CaresResolver::Desk::send_next() {
  std::string key, name;
  DnsType type{};
  {
    const std::lock_guard lock(mutex_);
    if (queue_.empty() || in_flight_ >= kMaxInFlight || slow_ >= kMaxSlow || stopping_)
      return false;
    key = std::move(queue_.front());
    queue_.pop_front();
    const auto at = questions_.find(key);
    if (at == questions_.end() || at->second.on_its_way)
      return true;  // all who asked gave up before its turn
    at->second.on_its_way = true;
    name = at->second.name;
    type = at->second.type;
    ++in_flight_;
    sent_.push_back({Steady::now(), key});
  }
  send(key, name, type, true);
  return true;
}

std::uint16_t CaresResolver::Desk::fresh_id() {
  for (;;) {
    const std::uint16_t id = random_id();
    if (ids_.insert(id).second) return id;
  }
}

void CaresResolver::Desk::send(const std::string& key, const std::string& name, DnsType type,
                               bool edns) {
  const std::uint16_t id = fresh_id();
  {
    const std::lock_guard lock(mutex_);
    ++counts_.sent;
  }
  channel_->send(render_query(id, name, type, edns),
                 [this, key, id, edns](TransportStatus status, std::string_view bytes) {
                   replied(key, id, edns, status, bytes);
                 });
}

void CaresResolver::Desk::replied(const std::string& key, std::uint16_t id, bool edns,
                                  TransportStatus status, std::string_view bytes) {
  ids_.erase(id);
  std::string name;
  DnsType type{};
  {
    const std::lock_guard lock(mutex_);
    const Question& question = questions_.at(key);
    name = question.name;
    type = question.type;
  }
  DnsReply reply{.answer = {.status = DnsStatus::ServFail, .records = {}}};
  if (status == TransportStatus::Timeout) reply.answer.status = DnsStatus::Timeout;
  if (status == TransportStatus::Reply) reply = parse_reply(bytes, name, type);
  if (reply.edns_refused && edns) {
    send(key, name, type, false);
    return;
  }
  finish(key, reply);
}

void CaresResolver::Desk::finish(const std::string& key, const DnsReply& reply) {
  std::vector<Waiter> waiters;
  {
    const std::lock_guard lock(mutex_);
    const auto at = questions_.find(key);
    const bool failed = !is_answer(reply.answer.status);
    cache_.insert(at->second.name, at->second.type, reply.answer,
                  failed ? kFailureTtl : std::chrono::seconds(reply.ttl), Steady::now());
    waiters = std::move(at->second.waiters);
    --(at->second.slow ? slow_ : in_flight_);
    questions_.erase(at);
    waiting_ -= waiters.size();
    if (failed) ++counts_.failed;
  }
  for (const Waiter& waiter : waiters) waiter.done(reply.answer);
}

void CaresResolver::Desk::note_slow(Steady::time_point now) {
  const std::lock_guard lock(mutex_);
  for (; !sent_.empty() && sent_.front().at + kSlowAfter <= now; sent_.pop_front()) {
    const auto at = questions_.find(sent_.front().key);
    if (at == questions_.end() || !at->second.on_its_way || at->second.slow) continue;
    at->second.slow = true;
    --in_flight_;
    ++slow_;
  }
}

void CaresResolver::Desk::expire(Steady::time_point now) {
  std::vector<Waiter> late;
  {
    const std::lock_guard lock(mutex_);
    while (!due_.empty() && due_.top().at <= now) {
      const auto at = questions_.find(due_.top().key);
      due_.pop();
      if (at == questions_.end()) continue;
      std::vector<Waiter>& waiters = at->second.waiters;
      const auto first_late = std::stable_partition(
          waiters.begin(), waiters.end(), [&](const Waiter& w) { return w.deadline > now; });
      std::move(first_late, waiters.end(), std::back_inserter(late));
      waiters.erase(first_late, waiters.end());
      if (waiters.empty() && !at->second.on_its_way) questions_.erase(at);
    }
    waiting_ -= late.size();
    counts_.late += late.size();
  }
  for (const Waiter& waiter : late) waiter.done(timeout_answer());
}

std::chrono::milliseconds CaresResolver::Desk::until_next_due(Steady::time_point now) {
  const std::lock_guard lock(mutex_);
  // What was answered needs no waking up.
  while (!due_.empty() && questions_.find(due_.top().key) == questions_.end()) due_.pop();
  Steady::time_point next = now + kIdle;
  if (!due_.empty()) next = std::min(next, due_.top().at);
  if (!queue_.empty() && !sent_.empty()) next = std::min(next, sent_.front().at + kSlowAfter);
  return std::max(std::chrono::ceil<std::chrono::milliseconds>(next - now),
                  std::chrono::milliseconds{0});
}

void CaresResolver::Desk::dismiss_all() {
  std::vector<Waiter> waiters;
  {
    const std::lock_guard lock(mutex_);
    for (auto& [key, question] : questions_)
      std::move(question.waiters.begin(), question.waiters.end(), std::back_inserter(waiters));
    questions_.clear();
    waiting_ = 0;
  }
  for (const Waiter& waiter : waiters) waiter.done(timeout_answer());
}

// --- CaresResolver ---

CaresResolver::CaresResolver(std::unique_ptr<Desk> desk, const Clock& clock)
    : desk_(std::move(desk)), clock_(clock) {}
CaresResolver::~CaresResolver() = default;

Result<std::unique_ptr<CaresResolver>> CaresResolver::start(const CaresOptions& options,
                                                            const Clock& clock) {
  auto channel = CaresChannel::open({options.servers, options.timeout, options.tries});
  if (!channel) return tl::unexpected<Error>(channel.error());
  auto desk = std::make_unique<Desk>(std::move(*channel), options.cache_entries);
  desk->start();
  return std::unique_ptr<CaresResolver>(new CaresResolver(std::move(desk), clock));
}

void CaresResolver::query(const std::string& name, DnsType type, TimePoint deadline, DnsDone done) {
  // Facts ask canonical names, and often what was asked before.
  if (const auto cached = desk_->look(name, type)) {
    done(*cached);
    return;
  }
  std::optional<std::string> canonical = canonical_dns_name(name);
  if (!canonical) {
    done(no_such_name());
    return;
  }
  // From here on only the steady clock counts: a set system clock neither hurries nor delays an
  // answer.
  const Duration patience = std::clamp(
      std::chrono::duration_cast<Duration>(deadline - clock_.now()), Duration{0}, kLongestWait);
  desk_->ask(std::move(*canonical), type, patience, std::move(done));
}

void CaresResolver::forget(const std::string& name, DnsType type) {
  if (const auto canonical = canonical_dns_name(name)) desk_->forget(*canonical, type);
}

DnsCounts CaresResolver::counts() const { return desk_->counts(); }

}  // namespace sluice::backends
