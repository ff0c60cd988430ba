// What the service does about the DNS lists of its policy: which are watched (backends::DnsLists),
// and what their health reads like in the log and in `sluice status`.
#pragma once
#include <string>
#include <vector>

#include "app/config.h"
#include "backends/dns_lists.h"
#include "policy/program.h"

namespace sluice::app {

std::vector<backends::DnsList> lists_of(const policy::Program& program,
                                        const ServiceConfig& config);

// One line of the log for each list that went off, silent or good again since the last call.
void tell_list_changes(backends::DnsLists& lists);

// The part of `sluice status`; empty without lists.
std::string list_lines(const std::vector<backends::ListHealth>& lists);

}  // namespace sluice::app
