#include "backends/smtp_callout.h"

#include <algorithm>
#include <deque>
#include <future>
#include <mutex>
#include <optional>
#include <unordered_map>
#include <utility>

#include "backends/callout_cache.h"
#include "backends/callout_reading.h"
#include "backends/mail_hosts.h"
#include "backends/own_addresses.h"
#include "backends/smtp_client.h"
#include "base/text.h"

namespace sluice::backends {
namespace {

using Steady = std::chrono::steady_clock;

// For whom an answer is kept.
enum class Keep : std::uint8_t { Nobody, Address, Domain };

constexpr Duration kLongestWait{60'000};  // a later deadline is this one
constexpr std::chrono::minutes kOwnAddressesGoodFor{1};

std::string domain_key(const CalloutQuestion& question) { return "@" + question.domain; }

// "[192.0.2.1]", "[IPv6:2001:db8::1]": the host itself.
std::optional<IpAddress> literal_host(std::string_view domain) {
  if (domain.size() < 2 || domain.front() != '[' || domain.back() != ']') return std::nullopt;
  domain = domain.substr(1, domain.size() - 2);
  constexpr std::string_view kTag = "IPv6:";
  if (domain.substr(0, kTag.size()) == kTag) domain.remove_prefix(kTag.size());
  return IpAddress::parse(domain);
}

CalloutAnswer dns_failure(DnsStatus status) {
  if (status == DnsStatus::Timeout) return {CalloutStatus::Timeout, "the DNS did not answer"};
  return {CalloutStatus::ServFail, "the DNS failed"};
}

// What is known without asking anybody.
std::optional<CalloutAnswer> answer_of(const MailHosts& hosts) {
  switch (hosts.found) {
    case MailHosts::Found::Hosts:
      return std::nullopt;
    case MailHosts::Found::NoDomain:
      return CalloutAnswer{CalloutStatus::Refused, "there is no such domain"};
    case MailHosts::Found::NullMx:
      return CalloutAnswer{CalloutStatus::Refused, "the domain takes no mail (null MX)"};
    case MailHosts::Found::NoHost:
      return CalloutAnswer{CalloutStatus::NoAnswer, "no mail host of the domain has an address"};
    case MailHosts::Found::Failed:
      break;
  }
  return dns_failure(hosts.failure);
}

// Which of two hosts' answers tells more of the domain.
int weight(CalloutStatus status) {
  switch (status) {
    case CalloutStatus::NoAnswer:
      return 1;
    case CalloutStatus::Dropped:
      return 2;
    case CalloutStatus::Temporary:
      return 3;
    default:
      return 4;
  }
}

}  // namespace

// Answers of the resolver, and questions of those who were just answered, may come when the callout
// is gone: they go through here.
class SmtpCallout::Gate {
 public:
  explicit Gate(EventLoop& loop) : loop_(&loop) {}
  // False: it is gone.
  bool post(std::function<void()> task) {
    const std::lock_guard lock(mutex_);
    if (loop_ == nullptr) return false;
    loop_->post(std::move(task));
    return true;
  }
  void close() {
    const std::lock_guard lock(mutex_);
    loop_ = nullptr;
  }

 private:
  std::mutex mutex_;
  EventLoop* loop_;
};

class SmtpCallout::Desk {
 public:
  Desk(EventLoop& loop, DnsResolver& dns, const Clock& clock, std::shared_ptr<Gate> gate,
       CalloutOptions options);

  // Any thread.
  std::optional<CalloutAnswer> known(const CalloutQuestion& question);
  CalloutCounts counts() const;
  std::vector<std::string> recent() const;

  // The loop's thread.
  void begin(const CalloutQuestion& question, Duration patience, CalloutDone done);
  void dismiss_all();

 private:
  using Id = std::uint64_t;
  struct Waiter {
    Id id = 0;
    EventLoop::TimerId timer = 0;
    CalloutDone done;
  };
  // One address that somebody asked for and whose answer is not there yet.
  struct Flight {
    CalloutQuestion question;
    Steady::time_point begun{};
    std::vector<Waiter> waiters;
    std::vector<IpAddress> hosts;
    std::size_t next = 0;  // of hosts
    std::optional<CalloutAnswer> best;
    bool is_waiting = false;
    EventLoop::TimerId timer = 0;
  };
  // An open connection; it outlives its flight by the farewell.
  struct Session {
    std::unique_ptr<SmtpClient> client;
    std::string domain;
    IpAddress host;
  };

  std::optional<CalloutAnswer> known_locked(const CalloutQuestion& question);
  std::optional<CalloutAnswer> of_domain(const CalloutQuestion& question);
  void join(Id flight, Duration patience, CalloutDone done);
  void search_hosts(Id id, const Flight& flight);
  void hosts_found(Id id, const MailHosts& found);
  bool may_ask(const IpAddress& host);
  void next_host(Id id);
  void open_session(Id id, const IpAddress& host);
  void answered(Id id, const IpAddress& host, const SmtpOutcome& outcome);
  void session_closed(Id session);
  void wake_waiting();
  void give_up(Id id);
  void forgo(Id flight, Id waiter);
  void finish(Id id, const CalloutAnswer& answer, Keep keep);
  void note(const CalloutQuestion& question, const CalloutAnswer& answer, Keep keep);
  Steady::time_point now() const { return options_.now ? options_.now() : Steady::now(); }
  template <class Change>
  void count(Change change) {
    const std::lock_guard lock(mutex_);
    change(counts_);
  }

  EventLoop& loop_;
  DnsResolver& dns_;
  const Clock& clock_;
  const std::shared_ptr<Gate> gate_;
  const CalloutOptions options_;

  // The loop's thread alone.
  CalloutLimits limits_;
  std::unordered_map<Id, Flight> flights_;
  std::unordered_map<std::string, Id, KeyedHash> by_address_;
  std::unordered_map<Id, Session> sessions_;
  std::deque<Id> waiting_;  // flights, oldest first; may be over already
  std::vector<IpAddress> own_;
  std::optional<Steady::time_point> own_since_;
  std::size_t waiters_ = 0;
  Id last_id_ = 0;

  mutable std::mutex mutex_;  // guards all below; never held while a caller is called
  CalloutCache cache_;
  CalloutCounts counts_;
  std::deque<std::string> recent_;
};

SmtpCallout::Desk::Desk(EventLoop& loop, DnsResolver& dns, const Clock& clock,
                        std::shared_ptr<Gate> gate, CalloutOptions options)
    : loop_(loop),
      dns_(dns),
      clock_(clock),
      gate_(std::move(gate)),
      options_(std::move(options)),
      limits_(options_.limits) {}

// --- any thread ---

std::optional<CalloutAnswer> SmtpCallout::Desk::known_locked(const CalloutQuestion& question) {
  const auto* answer = cache_.find(question.address(), now());
  if (answer == nullptr) answer = cache_.find(domain_key(question), now());
  if (answer == nullptr) return std::nullopt;
  ++counts_.cached;
  return *answer;
}

std::optional<CalloutAnswer> SmtpCallout::Desk::known(const CalloutQuestion& question) {
  const std::lock_guard lock(mutex_);
  ++counts_.asked;
  return known_locked(question);
}

std::optional<CalloutAnswer> SmtpCallout::Desk::of_domain(const CalloutQuestion& question) {
  const std::lock_guard lock(mutex_);
  const auto* answer = cache_.find(domain_key(question), now());
  return answer != nullptr ? std::optional(*answer) : std::nullopt;
}

CalloutCounts SmtpCallout::Desk::counts() const {
  const std::lock_guard lock(mutex_);
  return counts_;
}

std::vector<std::string> SmtpCallout::Desk::recent() const {
  const std::lock_guard lock(mutex_);
  return {recent_.begin(), recent_.end()};
}

// --- the loop's thread: callers ---

void SmtpCallout::Desk::begin(const CalloutQuestion& question, Duration patience,
                              CalloutDone done) {
  std::optional<CalloutAnswer> answer;
  {
    const std::lock_guard lock(mutex_);
    answer = known_locked(question);  // of late, by another's callout
  }
  if (answer) return done(*answer);
  const auto under_way = by_address_.find(question.address());
  if (waiters_ >= kMaxCalloutWaiters ||
      (under_way == by_address_.end() && flights_.size() >= kMaxCallouts)) {
    count([](CalloutCounts& c) { ++c.by_status[static_cast<int>(CalloutStatus::Budget)]; });
    return done({CalloutStatus::Budget, "too many callouts are under way"});
  }
  if (under_way != by_address_.end()) {
    count([](CalloutCounts& c) { ++c.joined; });
    return join(under_way->second, patience, std::move(done));
  }
  const Id id = ++last_id_;
  by_address_.emplace(question.address(), id);
  Flight& flight = flights_[id];
  flight.question = question;
  flight.begun = now();
  join(id, patience, std::move(done));
  search_hosts(id, flight);
}

void SmtpCallout::Desk::join(Id flight, Duration patience, CalloutDone done) {
  const Id id = ++last_id_;
  ++waiters_;
  const auto timer = loop_.in(patience, [this, flight, id] { forgo(flight, id); });
  flights_.at(flight).waiters.push_back({id, timer, std::move(done)});
}

// The deadline of one who waits.
void SmtpCallout::Desk::forgo(Id flight, Id waiter) {
  const auto at = flights_.find(flight);
  if (at == flights_.end()) return;
  auto& waiters = at->second.waiters;
  const auto one = std::find_if(waiters.begin(), waiters.end(),
                                [waiter](const Waiter& w) { return w.id == waiter; });
  if (one == waiters.end()) return;
  const CalloutDone done = std::move(one->done);
  waiters.erase(one);
  --waiters_;
  count([](CalloutCounts& c) { ++c.late; });
  done({CalloutStatus::Timeout, "the callout is still under way"});
}

void SmtpCallout::Desk::finish(Id id, const CalloutAnswer& answer, Keep keep) {
  auto node = flights_.extract(id);
  if (node.empty()) return;
  const Flight& flight = node.mapped();
  loop_.cancel(flight.timer);
  by_address_.erase(flight.question.address());
  waiters_ -= flight.waiters.size();
  note(flight.question, answer, keep);
  for (const Waiter& waiter : flight.waiters) {
    loop_.cancel(waiter.timer);
    waiter.done(answer);
  }
}

void SmtpCallout::Desk::note(const CalloutQuestion& question, const CalloutAnswer& answer,
                             Keep keep) {
  const std::lock_guard lock(mutex_);
  if (keep != Keep::Nobody)
    cache_.insert(keep == Keep::Domain ? domain_key(question) : question.address(), answer,
                  kept_for(answer.status, options_.cache), now());
  ++counts_.by_status[static_cast<int>(answer.status)];
  if (answer.status == CalloutStatus::Accepted) return;
  recent_.push_front(question.address() + " " + std::string(callout_status_name(answer.status)) +
                     " (" + answer.said + ")");
  if (recent_.size() > kMaxRecentCallouts) recent_.pop_back();
}

// --- hosts ---

void SmtpCallout::Desk::search_hosts(Id id, const Flight& flight) {
  if (const auto literal = literal_host(flight.question.domain)) {
    MailHosts hosts;
    hosts.found = MailHosts::Found::Hosts;
    hosts.addresses = {*literal};
    return hosts_found(id, hosts);
  }
  find_mail_hosts(dns_, flight.question.domain, clock_.now() + options_.timeout,
                  [this, gate = gate_, id](const MailHosts& hosts) {
                    gate->post([this, id, hosts] { hosts_found(id, hosts); });
                  });
}

bool SmtpCallout::Desk::may_ask(const IpAddress& host) {
  const auto contains = [&host](const Network& network) { return network.contains(host); };
  if (std::any_of(options_.allow.begin(), options_.allow.end(), contains)) return true;
  if (host.is_special()) return false;
  if (!own_since_ || now() - *own_since_ >= kOwnAddressesGoodFor) {
    own_ = options_.own_addresses ? options_.own_addresses() : own_addresses();
    own_since_ = now();
  }
  return std::find(own_.begin(), own_.end(), host) == own_.end();
}

void SmtpCallout::Desk::hosts_found(Id id, const MailHosts& found) {
  const auto at = flights_.find(id);
  if (at == flights_.end()) return;
  // What the DNS says is the resolver's to keep.
  if (const auto answer = answer_of(found)) return finish(id, *answer, Keep::Nobody);
  Flight& flight = at->second;
  for (const IpAddress& host : found.addresses) {
    if (may_ask(host)) flight.hosts.push_back(host);
  }
  if (flight.hosts.empty()) {
    count([](CalloutCounts& c) { ++c.forbidden; });
    return finish(id, {CalloutStatus::Undecided, "its mail hosts are private or our own"},
                  Keep::Domain);
  }
  const auto spent = std::chrono::duration_cast<Duration>(now() - flight.begun);
  flight.timer = loop_.in(options_.timeout - spent, [this, id] { give_up(id); });
  next_host(id);
}

// Asks the next host, or ends with what is known when there is none.
void SmtpCallout::Desk::next_host(Id id) {
  Flight& flight = flights_.at(id);
  if (std::exchange(flight.is_waiting, false)) {
    // What another's callout has found out of the domain in the meantime holds for this one.
    if (const auto answer = of_domain(flight.question)) return finish(id, *answer, Keep::Nobody);
  }
  if (flight.next >= flight.hosts.size()) return finish(id, *flight.best, Keep::Domain);
  const IpAddress host = flight.hosts[flight.next];
  switch (limits_.admit(flight.question.domain, host, now())) {
    case CalloutLimits::Admission::Go:
      ++flight.next;
      return open_session(id, host);
    case CalloutLimits::Admission::Wait:
      flight.is_waiting = true;
      return waiting_.push_back(id);
    case CalloutLimits::Admission::OverRate:
      return finish(id, {CalloutStatus::Budget, "asked too often of late"}, Keep::Nobody);
  }
}

// The time is over while it waits for others' sessions: our own limits, not the server's fault.
void SmtpCallout::Desk::give_up(Id id) {
  const auto at = flights_.find(id);
  if (at == flights_.end() || !at->second.is_waiting) return;
  finish(id, {CalloutStatus::Budget, "too many callouts at once"}, Keep::Nobody);
}

void SmtpCallout::Desk::wake_waiting() {
  std::deque<Id> waiting;
  waiting.swap(waiting_);
  for (const Id id : waiting) {
    const auto at = flights_.find(id);
    if (at != flights_.end() && at->second.is_waiting) next_host(id);
  }
}

// --- sessions ---

void SmtpCallout::Desk::open_session(Id id, const IpAddress& host) {
  const Flight& flight = flights_.at(id);
  const auto spent = std::chrono::duration_cast<Duration>(now() - flight.begun);
  const Duration left = std::max(Duration{1}, options_.timeout - spent);
  SmtpClient::Options options;
  // A host that says nothing leaves time for the next one.
  options.timeout = flight.next < flight.hosts.size() ? left / 2 : left;
  SmtpQuestion question;
  question.server.address = host;
  question.server.port = options_.port;
  question.helo = options_.helo;
  question.from = options_.from;
  question.to = "<" + flight.question.address() + ">";
  const Id session = ++last_id_;
  auto client = std::make_unique<SmtpClient>(
      loop_, std::move(question), options,
      SmtpClient::Events{
          [this, id, host](const SmtpOutcome& outcome) { answered(id, host, outcome); },
          [this, session] { session_closed(session); }});
  sessions_.emplace(session, Session{std::move(client), flight.question.domain, host});
  count([this](CalloutCounts& c) { ++c.sessions, c.open = sessions_.size(); });
}

void SmtpCallout::Desk::answered(Id id, const IpAddress& host, const SmtpOutcome& outcome) {
  const auto at = flights_.find(id);
  if (at == flights_.end()) return;
  const CalloutReading reading = read_callout(outcome);
  CalloutAnswer answer{reading.status, host.to_string() + ": " + describe_callout(outcome)};
  if (!reading.is_of_host) return finish(id, answer, Keep::Address);
  Flight& flight = at->second;
  if (!flight.best || weight(answer.status) > weight(flight.best->status))
    flight.best = std::move(answer);
  next_host(id);
}

void SmtpCallout::Desk::session_closed(Id session) {
  const auto node = sessions_.extract(session);
  if (node.empty()) return;
  limits_.release(node.mapped().domain, node.mapped().host);
  count([this](CalloutCounts& c) { c.open = sessions_.size(); });
  wake_waiting();
}

void SmtpCallout::Desk::dismiss_all() {
  std::vector<CalloutDone> late;
  for (auto& [id, flight] : flights_) {
    loop_.cancel(flight.timer);
    for (Waiter& waiter : flight.waiters) {
      loop_.cancel(waiter.timer);
      late.push_back(std::move(waiter.done));
    }
  }
  flights_.clear();
  by_address_.clear();
  waiting_.clear();
  sessions_.clear();
  for (const CalloutDone& done : late) done({CalloutStatus::Timeout, "the service is stopping"});
}

// --- SmtpCallout ---

SmtpCallout::SmtpCallout(EventLoop& loop, DnsResolver& dns, const Clock& clock,
                         CalloutOptions options)
    : loop_(loop),
      clock_(clock),
      gate_(std::make_shared<Gate>(loop)),
      desk_(std::make_unique<Desk>(loop, dns, clock, gate_, std::move(options))) {}

SmtpCallout::~SmtpCallout() {
  std::promise<void> dismissed;
  gate_->close();
  loop_.post([&] {
    desk_->dismiss_all();
    dismissed.set_value();
  });
  dismissed.get_future().wait();
}

void SmtpCallout::ask(const CalloutQuestion& question, TimePoint deadline, CalloutDone done) {
  if (const auto answer = desk_->known(question)) return done(*answer);
  const Duration patience = std::clamp(
      std::chrono::duration_cast<Duration>(deadline - clock_.now()), Duration{0}, kLongestWait);
  const bool is_open = gate_->post(
      [desk = desk_.get(), question, patience, done] { desk->begin(question, patience, done); });
  if (!is_open) done({CalloutStatus::Timeout, "the service is stopping"});
}

CalloutCounts SmtpCallout::counts() const { return desk_->counts(); }
std::vector<std::string> SmtpCallout::recent() const { return desk_->recent(); }

}  // namespace sluice::backends
