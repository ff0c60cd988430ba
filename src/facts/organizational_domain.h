// The organizational domain of a name, and the DMARC records on the way to it: by the DNS tree walk
// (RFC 9989 4.10), or by the list of public suffixes (as RFC 7489 did).
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "facts/dmarc_record.h"
#include "facts/dns_answers.h"
#include "facts/fact.h"

namespace sluice::facts {

inline constexpr std::size_t kMaxTreeWalk = 8;  // queries of one walk (4.10)

// What one walk found.
struct TreeWalk {
  struct Found {
    std::string domain;
    DmarcRecord record;
  };
  std::vector<Found> found;    // from the longest name to the shortest
  std::string organizational;  // the organizational domain; the start itself when no record tells
  std::optional<backends::DnsStatus>
      failure;  // the DNS failed on the way: `organizational` is empty

  bool has_suffix_above = false;  // the last one has psd=y and is not the start

  const DmarcRecord* at(std::string_view domain) const;
  // The record with psd=y that ended the walk above its start.
  const Found* public_suffix() const;
};

// The names that a walk from `domain` asks at, at most kMaxTreeWalk.
std::vector<std::string> tree_walk_names(std::string_view domain);
// domain: lower-case A-labels. nullopt: pending; all names are asked for side by side.
std::optional<TreeWalk> walk_tree(std::string_view domain, OrganizationalDomain by,
                                  DnsAnswers& answers);

}  // namespace sluice::facts
