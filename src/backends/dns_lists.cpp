#include "backends/dns_lists.h"

#include <algorithm>
#include <array>
#include <functional>
#include <mutex>
#include <optional>

#include "backends/steady_time.h"
#include "base/text.h"

namespace sluice::backends {

namespace {

using State = ListHealth::State;

enum class Subject : std::uint8_t { Ipv4, Ipv6, Name };
constexpr std::size_t kSubjects = 3;

// The entries of RFC 5782 5: what a list must hold and what it must not.
struct TestEntries {
  const char* listed;
  const char* unlisted;
  const char* shown_listed;
  const char* shown_unlisted;
};
constexpr std::array<TestEntries, kSubjects> kTests{
    {{"2.0.0.127", "1.0.0.127", "127.0.0.2", "127.0.0.1"},
     {"2.0.0.0.0.0.f.7.f.f.f.f.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0",
      "1.0.0.0.0.0.f.7.f.f.f.f.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0", "::FFFF:7F00:2",
      "::FFFF:7F00:1"},
     {"test", "invalid", "TEST", "INVALID"}}};

// What stands in front of the zone: four numbers, 32 hexadecimal digits, or a name.
Subject subject_of(std::string_view labels) {
  const auto parts = split(labels, '.');
  const auto all = [&](auto fits) { return std::all_of(parts.begin(), parts.end(), fits); };
  constexpr std::string_view digits = "0123456789", nibbles = "0123456789abcdef";
  if (parts.size() == 4 && all([&](std::string_view p) {
        return p.size() <= 3 && p.find_first_not_of(digits) == std::string_view::npos;
      }))
    return Subject::Ipv4;
  if (parts.size() == 32 && all([&](std::string_view p) {
        return p.size() == 1 && nibbles.find(p[0]) != std::string_view::npos;
      }))
    return Subject::Ipv6;
  return Subject::Name;
}

bool is_below(std::string_view name, std::string_view zone) {
  return name.size() > zone.size() + 1 && name.ends_with(zone) &&
         name[name.size() - zone.size() - 1] == '.';
}

const DnsAnswer& nobody_asked() {
  static const DnsAnswer answer{.status = DnsStatus::Breaker, .records = {}};
  return answer;
}

struct Zone {
  DnsList list;
  bool wanted = true;  // by the policy of the moment
  ListHealth health;
  std::array<bool, kSubjects> off{};
  int failures = 0, hits = 0;  // in a row
  TimePoint test_at{};
  bool testing = false;
  TimePoint silent_until{};
  State told = State::Good;  // in the last change
  std::string told_why;

  bool judges(Subject subject) const {
    return subject == Subject::Name ? list.of_names : list.of_addresses;
  }
};

// The answers to the test entries of one zone, until the last is there.
struct Test {
  std::string zone;
  std::array<std::optional<DnsAnswer>, kSubjects> listed, unlisted;
  std::size_t open = 0;
  std::mutex mutex;  // answers come from any thread
};

// What a test has shown. Empty `why`: nothing is wrong.
struct Finding {
  bool conclusive = true;
  std::array<bool, kSubjects> off{};
  std::string why;
};

// Not a listing but a message: we may not ask, or the zone is not a list any more.
std::optional<IpAddress> refusal_in(const DnsList& list, const DnsAnswer& answer) {
  static const Network loopback(IpAddress::from_v4(0x7f000000), 8);
  for (const DnsRecord& record : answer.records) {
    const auto within = [&](const auto& range) {
      return range.first <= record.address && record.address <= range.second;
    };
    if (!loopback.contains(record.address) ||
        std::any_of(list.error.begin(), list.error.end(), within))
      return record.address;
  }
  return std::nullopt;
}

Finding judge(const DnsList& list, const Test& test) {
  Finding finding;
  bool any_listed = false;
  std::string missing;
  for (std::size_t i = 0; i < kSubjects; ++i) {
    if (!test.listed[i]) continue;
    const DnsAnswer &listed = *test.listed[i], &unlisted = *test.unlisted[i];
    if (!is_answer(listed.status) || !is_answer(unlisted.status)) return {false, {}, {}};
    for (const DnsAnswer* answer : {&listed, &unlisted}) {
      if (const auto address = refusal_in(list, *answer)) {
        finding.off.fill(true);
        finding.why = "it answers " + address->to_string() + ", which is no listing";
        return finding;
      }
    }
    if (unlisted.status == DnsStatus::Ok) {
      finding.off[i] = true;
      finding.why = std::string("it lists ") + kTests[i].shown_unlisted + ", so everything";
    }
    any_listed = any_listed || listed.status == DnsStatus::Ok;
    if (missing.empty()) missing = kTests[i].shown_listed;
  }
  if (!any_listed && list.has_test_entries) {
    finding.off.fill(true);
    finding.why = "it does not list " + missing + ", its test entry";
  }
  return finding;
}

}  // namespace

// All of it; shared with the answers on their way.
class DnsLists::Watch : public std::enable_shared_from_this<DnsLists::Watch> {
 public:
  Watch(DnsResolver& resolver, const Clock& clock) : resolver_(resolver), clock_(clock) {}

  void watch(const std::vector<DnsList>& lists);
  void tick();
  void query(const std::string& name, DnsType type, TimePoint deadline, DnsDone done,
             bool after_test);
  void forget(const std::string& name, DnsType type) { resolver_.forget(name, type); }
  std::vector<ListHealth> health() const;
  std::vector<ListHealth> take_changes();

 private:
  enum class Way : std::uint8_t { Straight, Watched, TestFirst, Withheld };
  using Tested = std::function<void()>;

  Zone* zone_of(std::string_view name);
  Zone* zone_named(std::string_view zone);
  Way way_for(const std::string& name, DnsType type, bool after_test, std::string& zone);
  void test(const std::string& zone, TimePoint deadline, const Tested& tested);
  void concluded(const Test& test);
  void note(const std::string& zone, TimePoint asked, DnsType type, const DnsAnswer& answer);
  void enter(Zone& zone, State state, std::string why);
  void count_failure(Zone& zone);
  TimePoint now() { return time_.advance(clock_.now()); }

  DnsResolver& resolver_;
  const Clock& clock_;
  mutable std::mutex mutex_;  // guards all below; never held while calling resolver or caller
  SteadyTime time_;
  std::vector<Zone> zones_;
  std::vector<ListHealth> changes_;
};

Zone* DnsLists::Watch::zone_named(std::string_view zone) {
  const auto at = std::find_if(zones_.begin(), zones_.end(),
                               [&](const Zone& z) { return z.list.zone == zone; });
  return at == zones_.end() ? nullptr : &*at;
}

// The closest zone above the name.
Zone* DnsLists::Watch::zone_of(std::string_view name) {
  Zone* best = nullptr;
  for (Zone& zone : zones_) {
    if (is_below(name, zone.list.zone) &&
        (best == nullptr || zone.list.zone.size() > best->list.zone.size()))
      best = &zone;
  }
  return best;
}

void DnsLists::Watch::watch(const std::vector<DnsList>& lists) {
  const std::lock_guard lock(mutex_);
  for (Zone& zone : zones_) {
    zone.wanted = false;
    zone.list.error.clear();
  }
  for (const DnsList& list : lists) {
    Zone* known = zone_named(list.zone);
    if (known == nullptr && zones_.size() >= kMaxLists) continue;
    if (known == nullptr) {
      known = &zones_.emplace_back();
      known->list.zone = known->health.zone = list.zone;
      known->health.since = known->test_at = now();
    }
    // Something new to be judged: not before a test of it.
    if ((list.of_addresses && !known->list.of_addresses) ||
        (list.of_names && !known->list.of_names)) {
      known->health.state = State::Untested;
      known->test_at = now();
    }
    known->wanted = true;
    known->list.of_addresses |= list.of_addresses;
    known->list.of_names |= list.of_names;
    known->list.has_test_entries = list.has_test_entries;
    known->list.error.insert(known->list.error.end(), list.error.begin(), list.error.end());
  }
}

void DnsLists::Watch::tick() {
  std::vector<std::string> due;
  {
    const std::lock_guard lock(mutex_);
    const TimePoint t = now();
    for (Zone& zone : zones_) {
      if (!zone.wanted || zone.testing || zone.test_at > t) continue;
      if (zone.health.state == State::Silent && zone.silent_until > t) continue;
      due.push_back(zone.list.zone);
    }
  }
  for (const std::string& zone : due) test(zone, clock_.now() + kTestPatience, {});
}

// ---- questions ----

DnsLists::Watch::Way DnsLists::Watch::way_for(const std::string& name, DnsType type,
                                              bool after_test, std::string& zone_name) {
  if (type != DnsType::A && type != DnsType::Txt) return Way::Straight;
  const std::lock_guard lock(mutex_);
  Zone* zone = zone_of(name);
  if (zone == nullptr) return Way::Straight;
  const std::string_view labels =
      std::string_view(name).substr(0, name.size() - zone->list.zone.size() - 1);
  const Subject subject = subject_of(labels);
  if (!zone->judges(subject)) return Way::Straight;
  zone_name = zone->list.zone;
  if (zone->health.state == State::Untested && !after_test) return Way::TestFirst;
  const bool good =
      zone->health.state == State::Good ||
      (zone->health.state == State::Off && !zone->off[static_cast<std::size_t>(subject)]);
  if (good) ++zone->health.asked;
  if (!good) ++zone->health.withheld;
  return good ? Way::Watched : Way::Withheld;
}

void DnsLists::Watch::query(const std::string& name, DnsType type, TimePoint deadline, DnsDone done,
                            bool after_test) {
  std::string zone;
  switch (way_for(name, type, after_test, zone)) {
    case Way::Straight:
      resolver_.query(name, type, deadline, std::move(done));
      break;
    case Way::Withheld:
      done(nobody_asked());
      break;
    case Way::TestFirst:
      test(zone, deadline, [self = shared_from_this(), name, type, deadline, done] {
        self->query(name, type, deadline, done, true);
      });
      break;
    case Way::Watched:
      resolver_.query(name, type, deadline,
                      [self = shared_from_this(), zone, type, asked = clock_.now(),
                       done = std::move(done)](const DnsAnswer& answer) {
                        self->note(zone, asked, type, answer);
                        done(answer);
                      });
      break;
  }
}

void DnsLists::Watch::note(const std::string& zone_name, TimePoint asked, DnsType type,
                           const DnsAnswer& answer) {
  const std::lock_guard lock(mutex_);
  Zone* zone = zone_named(zone_name);
  if (zone == nullptr || answer.status == DnsStatus::Budget) return;
  if (!is_answer(answer.status)) {
    if (answer.status != DnsStatus::Timeout || clock_.now() - asked >= kFairWait)
      count_failure(*zone);
    return;
  }
  zone->failures = 0;
  if (type != DnsType::A) return;
  const bool listed = answer.status == DnsStatus::Ok;
  zone->hits = listed ? zone->hits + 1 : 0;
  if (listed) ++zone->health.listed;
  if (zone->hits < kHitsInARow || zone->health.state != State::Good) return;
  zone->hits = 0;
  zone->health.state = State::Untested;  // the next question waits for a test
  zone->test_at = now();
}

void DnsLists::Watch::count_failure(Zone& zone) {
  if (++zone.failures < kFailuresInARow || zone.health.state == State::Silent) return;
  zone.failures = 0;
  zone.silent_until = zone.test_at = now() + kSilence;
  enter(zone, State::Silent, "it does not answer; asked again in 5 minutes");
}

// ---- tests ----

void DnsLists::Watch::test(const std::string& zone_name, TimePoint deadline, const Tested& tested) {
  const auto test = std::make_shared<Test>();
  test->zone = zone_name;
  std::array<bool, kSubjects> wanted{};
  {
    const std::lock_guard lock(mutex_);
    Zone* zone = zone_named(zone_name);
    zone->testing = true;
    for (std::size_t i = 0; i < kSubjects; ++i) wanted[i] = zone->judges(static_cast<Subject>(i));
  }
  test->open = 2 * static_cast<std::size_t>(std::count(wanted.begin(), wanted.end(), true));
  const auto ask = [&](const char* entry, std::optional<DnsAnswer>& place) {
    const std::string name = std::string(entry) + '.' + zone_name;
    resolver_.forget(name, DnsType::A);
    resolver_.query(name, DnsType::A, deadline,
                    [self = shared_from_this(), test, &place, tested](const DnsAnswer& answer) {
                      {
                        const std::lock_guard lock(test->mutex);
                        place = answer;
                        if (--test->open > 0) return;
                      }
                      self->concluded(*test);
                      if (tested) tested();
                    });
  };
  for (std::size_t i = 0; i < kSubjects; ++i) {
    if (!wanted[i]) continue;
    ask(kTests[i].listed, test->listed[i]);
    ask(kTests[i].unlisted, test->unlisted[i]);
  }
}

void DnsLists::Watch::concluded(const Test& test) {
  const std::lock_guard lock(mutex_);
  Zone* zone = zone_named(test.zone);
  zone->testing = false;
  Finding finding = judge(zone->list, test);
  const TimePoint t = now();
  if (!finding.conclusive) {
    zone->test_at = t + kTestAgainAfter;
    if (zone->health.state == State::Silent) {
      zone->silent_until = zone->test_at = t + kSilence;
    } else {
      count_failure(*zone);
    }
    return;
  }
  zone->failures = zone->hits = 0;
  zone->health.tested = t;
  zone->test_at = t + kTestEvery;
  zone->off = finding.off;
  const State state = finding.why.empty() ? State::Good : State::Off;
  enter(*zone, state, std::move(finding.why));
}

// That a list is good is news only after it was not.
void DnsLists::Watch::enter(Zone& zone, State state, std::string why) {
  if (state != zone.health.state) zone.health.since = now();
  zone.health.state = state;
  zone.health.why = std::move(why);
  if (!zone.wanted || (state == zone.told && zone.health.why == zone.told_why)) return;
  zone.told = state;
  zone.told_why = zone.health.why;
  if (changes_.size() < kMaxLists) changes_.push_back(zone.health);
}

std::vector<ListHealth> DnsLists::Watch::health() const {
  const std::lock_guard lock(mutex_);
  std::vector<ListHealth> all;
  for (const Zone& zone : zones_) {
    if (zone.wanted) all.push_back(zone.health);
  }
  std::sort(all.begin(), all.end(),
            [](const ListHealth& a, const ListHealth& b) { return a.zone < b.zone; });
  return all;
}

std::vector<ListHealth> DnsLists::Watch::take_changes() {
  const std::lock_guard lock(mutex_);
  return std::exchange(changes_, {});
}

// ---- DnsLists ----

std::string_view list_state_name(ListHealth::State state) {
  constexpr std::array<std::string_view, 4> kNames{"untested", "good", "off", "silent"};
  return kNames[static_cast<std::size_t>(state)];
}

DnsLists::DnsLists(DnsResolver& resolver, const Clock& clock)
    : watch_(std::make_shared<Watch>(resolver, clock)) {}
DnsLists::~DnsLists() = default;

void DnsLists::watch(const std::vector<DnsList>& lists) { watch_->watch(lists); }
void DnsLists::tick() { watch_->tick(); }
void DnsLists::query(const std::string& name, DnsType type, TimePoint deadline, DnsDone done) {
  watch_->query(name, type, deadline, std::move(done), false);
}
void DnsLists::forget(const std::string& name, DnsType type) { watch_->forget(name, type); }
std::vector<ListHealth> DnsLists::health() const { return watch_->health(); }
std::vector<ListHealth> DnsLists::take_changes() { return watch_->take_changes(); }

}  // namespace sluice::backends
