#include "app/metrics.h"

#include <dirent.h>
#include <fmt/format.h>
#include <sys/resource.h>
#include <unistd.h>

#include <fstream>
#include <map>
#include <sstream>

#include "app/open_metrics.h"
#include "app/version.h"

namespace sluice::app {
namespace {

using Out = OpenMetrics;
using From = const MetricSources&;
using Type = OpenMetrics::Type;

double seconds(TimePoint t) { return static_cast<double>(t.time_since_epoch().count()) / 1000; }
double real(std::uint64_t n) { return static_cast<double>(n); }

void decisions(From s, Out& out) {
  for (const auto& d : s.counters.decisions())
    out.sample(real(d.n), {{"stage", std::string(mail::stage_name(d.stage))},
                           {"action", std::string(mail::action_name(d.action))},
                           {"rule", d.rule}});
}

void durations(From s, Out& out) {
  for (std::size_t i = 0; i < mail::kStages; ++i) {
    const auto stage = static_cast<mail::Stage>(i);
    out.durations(s.counters.durations(stage), {{"stage", std::string(mail::stage_name(stage))}});
  }
}

void shadow(From s, Out& out) {
  for (const auto& rule : s.counters.rules())
    if (rule.would > 0) out.sample(real(rule.would), {{"rule", rule.rule}});
}

void store_ops(From s, Out& out) {
  for (const auto& op : s.store.ops()) {
    out.sample(real(op.ok), {{"backend", s.backend}, {"op", op.op}, {"result", "ok"}});
    out.sample(real(op.away), {{"backend", s.backend}, {"op", op.op}, {"result", "away"}});
  }
}

void limit_checks(From s, Out& out) {
  for (const auto& limit : s.store.limits()) {
    out.sample(real(limit.granted), {{"limit", limit.limit}, {"result", "granted"}});
    out.sample(real(limit.exceeded), {{"limit", limit.limit}, {"result", "exceeded"}});
  }
}

void utilisation(From s, Out& out) {
  std::map<std::string, double> fullest;
  for (const NearLimit& near : s.limits)
    fullest[near.limit] = std::max(fullest[near.limit], near.ratio());
  for (const auto& [limit, ratio] : fullest) out.sample(ratio, {{"limit", limit}});
}

void greylist(From s, Out& out) {
  for (const auto& count : s.store.greylist()) out.sample(real(count.n), {{"result", count.result}});
}

void dns_lists(From s, Out& out) {
  for (const backends::ListHealth& list : s.status.lists) {
    const bool off = list.state == backends::ListHealth::State::Off || list.state == backends::ListHealth::State::Silent;
    out.sample(off ? 0 : 1, {{"list", list.zone}});
  }
}

void dns(From s, Out& out) {
  out.sample(real(s.status.dns.cached), {{"result", "cached"}});
  out.sample(real(s.status.dns.sent), {{"result", "sent"}});
  out.sample(real(s.status.dns.failed), {{"result", "failed"}});
}

// --- of the process: what client libraries tell, from /proc/self ---

double cpu_seconds() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  const auto of = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
  };
  return of(usage.ru_utime) + of(usage.ru_stime);
}

double resident_bytes() {
  std::ifstream file("/proc/self/statm");
  double all = 0, resident = 0;
  file >> all >> resident;
  return resident * static_cast<double>(::sysconf(_SC_PAGESIZE));
}

double open_descriptors() {
  DIR* folder = ::opendir("/proc/self/fd");
  if (folder == nullptr) return 0;
  double n = -3;  // ".", ".." and the one that looks
  while (::readdir(folder) != nullptr) ++n;
  ::closedir(folder);
  return n;
}

double most_descriptors() {
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  return static_cast<double>(limit.rlim_cur);
}

double threads() {
  std::ifstream file("/proc/self/stat");
  std::string text;
  std::getline(file, text);
  std::istringstream fields(text.substr(std::min(text.size(), text.rfind(')') + 2)));
  std::string word;
  for (int i = 0; i < 17; ++i) fields >> word;  // of proc(5): state is 3, num_threads is 20
  double n = 0;
  fields >> n;
  return n;
}

// --- the table ---

struct Row {
  const char* name;
  Type type;
  const char* unit;
  const char* help;
  void (*samples)(From, Out&);
};

const Row kRows[] = {
    {"sluice_build", Type::Text, "", "The program.",
     [](From, Out& o) { o.sample(1, {{"version", kVersion}}); }},
    {"sluice_policy", Type::Text, "", "The policy of new sessions; its hash should be the same on all hosts.",
     [](From s, Out& o) {
       o.sample(1, {{"policy", s.policy_name}, {"version", s.policy_version}, {"hash", s.policy_hash}});
     }},
    {"sluice_policy_rules", Type::Gauge, "", "Rules in it.",
     [](From s, Out& o) { o.sample(static_cast<double>(s.status.rules)); }},
    {"sluice_sessions_active", Type::Gauge, "", "SMTP sessions open now.",
     [](From s, Out& o) { o.sample(static_cast<double>(s.status.open_sessions)); }},
    {"sluice_sessions", Type::Counter, "", "SMTP sessions since the start.",
     [](From s, Out& o) {
       for (const auto& place : s.status.places) o.sample(real(place.accepted), {{"listener", place.at}});
     }},
    {"sluice_connections_refused", Type::Counter, "", "Connections closed before a word: not_allowed, descriptors.",
     [](From s, Out& o) {
       for (const auto& place : s.status.places) {
         o.sample(real(place.not_allowed), {{"listener", place.at}, {"reason", "not_allowed"}});
         o.sample(real(place.turned_away), {{"listener", place.at}, {"reason", "descriptors"}});
       }
     }},
    {"sluice_decisions", Type::Counter, "",
     "Answers by stage, action and the rule that gave them (empty: none did).", decisions},
    {"sluice_decision_duration_seconds", Type::Histogram, "seconds",
     "From an event to its answer, look-ups included.", durations},
    {"sluice_messages_accepted", Type::Counter, "", "Messages let through at their end.",
     [](From s, Out& o) { o.sample(real(s.counters.messages())); }},
    {"sluice_shadow_decisions", Type::Counter, "", "What rules in shadow would have answered.", shadow},
    {"sluice_limit_checks", Type::Counter, "", "What the store said of limits.", limit_checks},
    {"sluice_limit_utilisation_ratio", Type::Gauge, "ratio",
     "The fullest counter of each limit: 1 is at its ceiling.", utilisation},
    {"sluice_greylist", Type::Counter, "", "What the store said of greylisted triplets.", greylist},
    {"sluice_store_ops", Type::Counter, "", "Operations of the state store.", store_ops},
    {"sluice_store_duration_seconds", Type::Histogram, "seconds", "One submission to the state store.",
     [](From s, Out& o) { o.durations(s.store.durations(), {{"backend", s.backend}}); }},
    {"sluice_store_available", Type::Gauge, "", "1: the state store answers.",
     [](From s, Out& o) { o.sample(s.status.store.available ? 1 : 0, {{"backend", s.backend}}); }},
    {"sluice_store_errors", Type::Counter, "", "Errors of its disk or servers.",
     [](From s, Out& o) { o.sample(real(s.status.store.errors), {{"backend", s.backend}}); }},
    {"sluice_degraded", Type::Gauge, "", "1: the state store is away or not all is well with it.",
     [](From s, Out& o) {
       o.sample(!s.status.store.available || s.status.store.degraded ? 1 : 0);
     }},
    {"sluice_degraded_decisions", Type::Counter, "", "Answers given while the state store was away.",
     [](From s, Out& o) { o.sample(real(s.counters.degraded())); }},
    {"sluice_dns_queries", Type::Counter, "", "DNS questions: answered from the cache, sent, failed.", dns},
    {"sluice_dns_list_healthy", Type::Gauge, "", "0: the list cannot be believed, its facts are unknown.", dns_lists},
    {"sluice_scanner_messages", Type::Counter, "", "Messages that the scanners were asked about.",
     [](From s, Out& o) {
       for (const auto& scanner : s.status.scanners) {
         o.sample(real(scanner.scanned), {{"scanner", scanner.name}, {"result", "scanned"}});
         o.sample(real(scanner.unscanned), {{"scanner", scanner.name}, {"result", "unscanned"}});
       }
     }},
    {"sluice_scanner_available", Type::Gauge, "", "0: the scanner at this address is away.",
     [](From s, Out& o) {
       for (const auto& scanner : s.status.scanners)
         for (const auto& address : scanner.addresses)
           o.sample(address.away ? 0 : 1, {{"scanner", scanner.name}, {"address", address.at}});
     }},
    {"sluice_config_generation", Type::Gauge, "", "Rises with each reload that succeeds.",
     [](From s, Out& o) { o.sample(real(s.status.reload.generation)); }},
    {"sluice_config_last_reload_successful", Type::Gauge, "", "0: the files are broken, an older policy runs.",
     [](From s, Out& o) { o.sample(s.status.reload.last_ok ? 1 : 0); }},
    {"sluice_config_last_reload_success_timestamp_seconds", Type::Gauge, "seconds", "When the policy was loaded.",
     [](From s, Out& o) { o.sample(seconds(s.status.reload.loaded)); }},
    {"sluice_history_rows", Type::Counter, "", "Decisions written to the history.",
     [](From s, Out& o) { o.sample(s.history ? real(s.history->written) : 0); }},
    {"sluice_history_dropped", Type::Counter, "", "Decisions that the history could not keep.",
     [](From s, Out& o) { o.sample(s.history ? real(s.history->dropped) : 0); }},
    {"sluice_history_traces_dropped", Type::Counter, "", "Decisions kept without their trace.",
     [](From s, Out& o) { o.sample(s.history ? real(s.history->traces_dropped) : 0); }},
    {"sluice_history_size_bytes", Type::Gauge, "bytes", "Size of its file.",
     [](From s, Out& o) { o.sample(s.history ? static_cast<double>(s.history->bytes) : 0); }},
    {"process_cpu_seconds", Type::Counter, "seconds", "User and system time.",
     [](From, Out& o) { o.sample(cpu_seconds()); }},
    {"process_resident_memory_bytes", Type::Gauge, "bytes", "Memory in use.",
     [](From, Out& o) { o.sample(resident_bytes()); }},
    {"process_open_fds", Type::Gauge, "", "Open descriptors.",
     [](From, Out& o) { o.sample(open_descriptors()); }},
    {"process_max_fds", Type::Gauge, "", "The most there may be.",
     [](From, Out& o) { o.sample(most_descriptors()); }},
    {"process_threads", Type::Gauge, "", "Threads.", [](From, Out& o) { o.sample(threads()); }},
    {"process_start_time_seconds", Type::Gauge, "seconds", "When the service started.",
     [](From s, Out& o) {
       const auto now = std::chrono::time_point_cast<Duration>(std::chrono::system_clock::now());
       o.sample(seconds(now - s.status.uptime));
     }},
};

}  // namespace

std::string render_metrics(const MetricSources& sources) {
  OpenMetrics out;
  for (const Row& row : kRows) {
    out.family(row.name, row.type, row.unit, row.help);
    row.samples(sources, out);
  }
  return out.finish();
}

}  // namespace sluice::app
