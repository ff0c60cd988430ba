#include "app/dns_list_watch.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "app/logging.h"
#include "base/text.h"

namespace sluice::app {

using backends::ListHealth;

std::vector<backends::DnsList> lists_of(const policy::Program& program,
                                        const ServiceConfig& config) {
  std::vector<backends::DnsList> lists;
  const auto& untested = config.dns_lists_without_test;
  for (const policy::Dnsbl& declared : program.dnsbls()) {
    const bool of_addresses = declared.of == policy::Dnsbl::Of::ClientIp;
    const bool is_untested =
        std::any_of(untested.begin(), untested.end(),
                    [&](const std::string& zone) { return equal_folded(zone, declared.zone); });
    lists.push_back({declared.zone, of_addresses, !of_addresses, !is_untested, declared.error});
  }
  return lists;
}

void FollowedProgram::follow(const policy::ProgramPtr& program, const Watch& watch) {
  if (address_ == program.get()) return;
  const std::lock_guard lock(mutex_);
  if (followed_ == program) return;
  watch(*program);
  const auto before = std::exchange(followed_, program);
  address_ = program.get();
}

void tell_list_changes(backends::DnsLists& lists) {
  for (const ListHealth& list : lists.take_changes()) {
    const std::string line =
        fmt::format("dns list {}: {}", list.zone, backends::list_state_name(list.state));
    if (list.state == ListHealth::State::Good) {
      log_info(line + " again");
    } else {
      log_warning(line + ", its facts are unknown: " + list.why);
    }
  }
}

std::string list_lines(const std::vector<ListHealth>& lists) {
  if (lists.empty()) return {};
  const auto is_bad = [](const ListHealth& list) { return !list.why.empty(); };
  const auto bad = std::count_if(lists.begin(), lists.end(), is_bad);
  std::string text =
      fmt::format("dns lists  {} good", lists.size() - static_cast<std::size_t>(bad));
  if (bad > 0) text += fmt::format(", {} NOT: their facts are unknown", bad);
  text += '\n';
  for (const ListHealth& list : lists) {
    if (is_bad(list))
      text +=
          fmt::format("           {}: {} since {}: {}\n", list.zone,
                      backends::list_state_name(list.state), render_datetime(list.since), list.why);
  }
  return text;
}

}  // namespace sluice::app
