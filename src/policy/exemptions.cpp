#include "policy/exemptions.h"

#include <algorithm>
#include <unordered_map>

namespace sluice::policy {
namespace {

class Resolver {
 public:
  Resolver(Compilation& c, std::vector<Rule>& rules) : c_(c), rules_(rules) {
    for (RuleId id = 0; id < rules.size(); ++id) {
      const Rule& rule = rules[id];
      if (rule.kind == RuleKind::Exempt) continue;
      all_.push_back(id);
      by_name_[rule.name] = id;
      by_kind_[static_cast<std::size_t>(rule.kind)].push_back(id);
      for (const std::string& tag : rule.tags) by_tag_[tag].push_back(id);
    }
  }

  void resolve(RuleId exemption);

 private:
  std::vector<RuleId> selected(const SelectorSource& selector, std::size_t file) const;
  std::vector<RuleId> named(const std::string& pattern, std::size_t file) const;
  std::vector<RuleId> kind(std::string_view name) const;
  bool is_late(const Rule& exemption, RuleId id) const;
  void check_lateness(const Rule& exemption, const RuleSource& source,
                      const std::vector<std::vector<RuleId>>& selections);
  std::string where(RuleId id) const {
    return "`" + rules_[id].name + "` (line " + std::to_string(rules_[id].origin.line) + ")";
  }

  Compilation& c_;
  std::vector<Rule>& rules_;
  std::vector<RuleId> all_;
  std::unordered_map<std::string, RuleId> by_name_;
  std::unordered_map<std::string, std::vector<RuleId>> by_tag_;
  std::array<std::vector<RuleId>, 5> by_kind_;
};

// Stage at which a rule answers: rules and scores that wait for RCPT are decided there again; what
// a limit or greylist counts happens at its own stage.
mail::Stage answer_stage(const Rule& rule) {
  const bool waits =
      (rule.kind == RuleKind::Rule || rule.kind == RuleKind::Score) && rule.reply_at_rcpt;
  return waits ? mail::Stage::Rcpt : rule.stage;
}

std::vector<RuleId> Resolver::kind(std::string_view name) const {
  for (std::size_t i = 0; i < by_kind_.size(); ++i)
    if (rule_kind_name(static_cast<RuleKind>(i)) == name) return by_kind_[i];
  return {};
}

std::vector<RuleId> Resolver::named(const std::string& pattern, std::size_t file) const {
  const std::string full = c_.source.files[file].prefix + pattern;
  std::vector<RuleId> found;
  if (pattern.find('*') == std::string::npos) {
    for (const std::string& name : {full, pattern})
      if (const auto at = by_name_.find(name); found.empty() && at != by_name_.end())
        found.push_back(at->second);
    return found;
  }
  std::copy_if(all_.begin(), all_.end(), std::back_inserter(found), [&](RuleId id) {
    return matches_glob(full, rules_[id].name) || matches_glob(pattern, rules_[id].name);
  });
  return found;
}

std::vector<RuleId> Resolver::selected(const SelectorSource& selector, std::size_t file) const {
  switch (selector.kind) {
    case SelectorSource::Kind::All:
      return all_;
    case SelectorSource::Kind::Name:
      return named(selector.text, file);
    case SelectorSource::Kind::RuleKind:
      return kind(selector.text);
    case SelectorSource::Kind::Tag: {
      const auto at = by_tag_.find(selector.text);
      return at == by_tag_.end() ? std::vector<RuleId>{} : at->second;
    }
  }
  return {};
}

// A command may come at any time after the greeting: no exemption is late for it for certain.
bool Resolver::is_late(const Rule& exemption, RuleId id) const {
  const mail::Stage answer = answer_stage(rules_[id]);
  if (answer == mail::Stage::Command || exemption.stage == mail::Stage::Command) return false;
  return exemption.stage > answer;
}

void Resolver::check_lateness(const Rule& exemption, const RuleSource& source,
                              const std::vector<std::vector<RuleId>>& selections) {
  bool any_in_time = false;
  for (const auto& ids : selections)
    any_in_time = any_in_time || std::any_of(ids.begin(), ids.end(),
                                             [&](RuleId id) { return !is_late(exemption, id); });
  for (std::size_t i = 0; i < selections.size(); ++i) {
    const auto late = std::find_if(selections[i].begin(), selections[i].end(),
                                   [&](RuleId id) { return is_late(exemption, id); });
    if (late == selections[i].end()) continue;
    const std::string stage(mail::stage_name(exemption.stage)),
        answer(mail::stage_name(answer_stage(rules_[*late])));
    const std::string decided = "exemption `" + exemption.name + "` is decided at " + stage;
    if (!any_in_time) {
      c_.findings.error("E601", source.from[i].span,
                        decided + ", but " + where(*late) + " already answers at " + answer +
                            ": it can never help");
      return;
    }
    if (source.from[i].kind != SelectorSource::Kind::All)
      c_.findings.warning(
          "W603", source.from[i].span,
          decided + ", too late for " + where(*late) + ", which answers at " + answer);
  }
}

void Resolver::resolve(RuleId id) {
  Rule& exemption = rules_[id];
  const RuleSource& source = c_.source.rules[id];
  std::vector<std::vector<RuleId>> selections;
  bool good = true;
  for (const SelectorSource& selector : source.from) {
    selections.push_back(selected(selector, source.file_of("from")));
    if (!selections.back().empty() || selector.kind == SelectorSource::Kind::All) continue;
    const std::string_view prefix = selector.kind == SelectorSource::Kind::Tag        ? "tag:"
                                    : selector.kind == SelectorSource::Kind::RuleKind ? "kind:"
                                                                                      : "";
    std::vector<std::string_view> names;
    for (const auto& [name, rule] : by_name_) names.push_back(name);
    const std::string advice =
        selector.kind == SelectorSource::Kind::Name ? did_you_mean(selector.text, names) : "";
    c_.findings.error("E602", selector.span,
                      "`" + std::string(prefix) + selector.text + "` selects no rule" + advice);
    good = false;
  }
  for (const auto& ids : selections)
    exemption.exempts.insert(exemption.exempts.end(), ids.begin(), ids.end());
  std::sort(exemption.exempts.begin(), exemption.exempts.end());
  exemption.exempts.erase(std::unique(exemption.exempts.begin(), exemption.exempts.end()),
                          exemption.exempts.end());
  const bool selects = !exemption.exempts.empty();
  std::erase_if(exemption.exempts, [this](RuleId rule) { return rules_[rule].is_protected; });
  if (good && selects && exemption.exempts.empty())
    c_.findings.error("E604", source.from.front().span,
                      "exemption `" + exemption.name + "` selects only protected rules");
  else if (good && source.stage)
    check_lateness(exemption, source, selections);
}

}  // namespace

bool matches_glob(std::string_view pattern, std::string_view name) {
  std::size_t p = 0, n = 0, star = std::string_view::npos, resume = 0;
  while (n < name.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      resume = n;
    } else if (p < pattern.size() && pattern[p] == name[n]) {
      ++p;
      ++n;
    } else if (star != std::string_view::npos) {
      p = star + 1;
      n = ++resume;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

void resolve_exemptions(Compilation& c, std::vector<Rule>& rules) {
  Resolver resolver(c, rules);
  for (RuleId id = 0; id < rules.size(); ++id)
    if (rules[id].kind == RuleKind::Exempt) resolver.resolve(id);
}

}  // namespace sluice::policy
