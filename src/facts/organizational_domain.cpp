#include "facts/organizational_domain.h"

#include <algorithm>

#include "facts/public_suffix.h"
#include "mail/domain.h"

namespace sluice::facts {

namespace {

constexpr std::ptrdiff_t kLabelsAskedAbove = 7;  // of a longer name: the rest is left out (step 4)

// Several records are none (4.10 step 2).
std::optional<DmarcRecord> record_of(const backends::DnsAnswer& answer) {
  std::optional<DmarcRecord> only;
  for (const backends::DnsRecord& txt : answer.records) {
    auto record = parse_dmarc_record(txt.text);
    if (!record) continue;
    if (only) return std::nullopt;
    only = record;
  }
  return only;
}

std::string one_label_below(std::string_view domain, std::string_view parent) {
  std::string_view rest = domain.substr(0, domain.size() - parent.size() - 1);
  const std::size_t dot = rest.rfind('.');
  return std::string(domain.substr(dot == std::string_view::npos ? 0 : dot + 1));
}

// 4.10.2: psd=n; the label below a psd=y that is not the start itself; the shortest name.
std::string select_organizational(std::string_view start, const TreeWalk& walk) {
  for (const TreeWalk::Found& found : walk.found)
    if (found.record.psd == PublicSuffixFlag::No) return found.domain;
  if (const auto* suffix = walk.public_suffix()) return one_label_below(start, suffix->domain);
  return walk.found.empty() ? std::string(start) : walk.found.back().domain;
}

std::vector<std::string> names_for(std::string_view domain, OrganizationalDomain by) {
  if (by == OrganizationalDomain::TreeWalk) return tree_walk_names(domain);
  std::vector<std::string> names{std::string(domain)};
  const std::string registrable = registrable_domain(domain);
  if (registrable != domain) names.push_back(registrable);
  return names;
}

}  // namespace

const DmarcRecord* TreeWalk::at(std::string_view domain) const {
  for (const Found& one : found)
    if (one.domain == domain) return &one.record;
  return nullptr;
}

const TreeWalk::Found* TreeWalk::public_suffix() const {
  return has_suffix_above ? &found.back() : nullptr;
}

std::vector<std::string> tree_walk_names(std::string_view domain) {
  std::vector<std::string> names{std::string(domain)};
  auto labels = std::count(domain.begin(), domain.end(), '.') + 1;
  while (labels > 1) {
    do {
      domain.remove_prefix(domain.find('.') + 1);
    } while (--labels > kLabelsAskedAbove);
    names.emplace_back(domain);
  }
  return names;
}

std::optional<TreeWalk> walk_tree(std::string_view domain, OrganizationalDomain by,
                                  DnsAnswers& answers) {
  const auto names = names_for(domain, by);
  TreeWalk walk;
  bool is_pending = false, has_stopped = false;
  for (const std::string& name : names) {
    const auto* answer = answers.ask("_dmarc." + name, backends::DnsType::Txt);
    if (has_stopped || walk.failure) continue;
    is_pending = is_pending || answer == nullptr;
    if (is_pending) continue;
    if (!backends::is_answer(answer->status)) {
      walk.failure = answer->status;
      continue;
    }
    const auto record = record_of(*answer);
    if (!record) continue;
    walk.found.push_back({name, *record});
    const bool ends =
        by == OrganizationalDomain::TreeWalk && record->psd != PublicSuffixFlag::Unknown;
    has_stopped = has_stopped || ends;
    walk.has_suffix_above = ends && record->psd == PublicSuffixFlag::Yes && name != domain;
  }
  if (is_pending && !has_stopped && !walk.failure) return std::nullopt;
  if (walk.failure) return walk;
  walk.organizational =
      by == OrganizationalDomain::TreeWalk ? select_organizational(domain, walk) : names.back();
  return walk;
}

}  // namespace sluice::facts
