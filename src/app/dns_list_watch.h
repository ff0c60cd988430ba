// What the service does about the DNS lists of its policy: which are watched (backends::DnsLists),
// and what their health reads like in the log and in `sluice status`.
#pragma once
#include <atomic>
#include <functional>
#include <mutex>
#include <string>
#include <vector>

#include "app/config.h"
#include "backends/dns_lists.h"
#include "policy/program.h"

namespace sluice::app {

std::vector<backends::DnsList> lists_of(const policy::Program& program,
                                        const ServiceConfig& config);

// Notices when sessions begin with another program. Threads: any.
class FollowedProgram {
 public:
  using Watch = std::function<void(const policy::Program& program)>;
  // Calls `watch` unless the program is the one of the last call; whoever returns from here finds
  // its lists watched. Costs nothing while the program stays.
  void follow(const policy::ProgramPtr& program, const Watch& watch);

 private:
  std::atomic<const policy::Program*> address_{nullptr};  // of followed_; compared only
  std::mutex mutex_;
  policy::ProgramPtr followed_;  // kept: a program after it must not get its address
};

// One line of the log for each list that went off, silent or good again since the last call.
void tell_list_changes(backends::DnsLists& lists);

// The part of `sluice status`; empty without lists.
std::string list_lines(const std::vector<backends::ListHealth>& lists);

}  // namespace sluice::app
