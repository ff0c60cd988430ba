#include "policy/rule_index.h"

#include <re2/set.h>

#include <algorithm>
#include <deque>
#include <unordered_map>

#include "policy/rule_guard.h"

namespace sluice::policy {
namespace {

constexpr std::size_t kWorthwhile = 4;  // rules of one form; fewer are tried as quickly
constexpr std::int64_t kSetMemory = 4 << 20;

}  // namespace

// The rules that are found by one look-up: the same fact, compared in the same way.
class RuleIndex::Group {
 public:
  explicit Group(const RuleGuard& like) : like_(like) {}

  bool takes(const RuleGuard& guard) const { return like_.is_like(guard); }
  void add(const RuleGuard& guard, Place place) {
    all_.push_back(place);
    guards_.push_back(guard);
  }
  std::size_t size() const { return all_.size(); }
  const std::vector<Place>& all() const { return all_; }

  // False: the rules of this group are tried one by one.
  bool build() {
    if (size() < kWorthwhile) return false;
    if (like_.form == RuleGuard::Form::Pattern) return build_set();
    for (std::size_t i = 0; i < size(); ++i) {
      for (const std::string& key : guards_[i].keys) {
        if (by_key_.find(key) == by_key_.end()) by_key_.emplace(keys_.emplace_back(key), Places());
        by_key_.at(key).push_back(all_[i]);
        lengths_.push_back(key.size());
      }
    }
    std::sort(lengths_.begin(), lengths_.end());
    lengths_.erase(std::unique(lengths_.begin(), lengths_.end()), lengths_.end());
    guards_.clear();
    return true;
  }

  void find(FactSource& facts, bool fold_local_part, std::vector<Place>& out) const {
    const Value* value = facts.fact(like_.fact, FactSource::kNoElement);
    if (value == nullptr || value->is_unknown()) return append(out, all_);
    const auto* text = value->get_if<std::string>();
    if (text == nullptr) return;  // none: equal to no text
    if (set_) return find_patterns(*text, out);
    std::string scratch;
    find_keys(matching_key(*text, like_.matching, fold_local_part, scratch), out);
  }

 private:
  using Places = std::vector<Place>;

  static void append(std::vector<Place>& out, const Places& found) {
    out.insert(out.end(), found.begin(), found.end());
  }

  void look_up(std::string_view key, std::vector<Place>& out) const {
    if (const auto at = by_key_.find(key); at != by_key_.end()) append(out, at->second);
  }

  void find_keys(std::string_view text, std::vector<Place>& out) const {
    switch (like_.form) {
      case RuleGuard::Form::Equal:
        return look_up(text, out);
      case RuleGuard::Form::Under:
        for (;;) {
          look_up(text, out);
          const std::size_t dot = text.find('.');
          if (dot == std::string_view::npos) return;
          text.remove_prefix(dot + 1);
        }
      case RuleGuard::Form::StartsWith:
      case RuleGuard::Form::EndsWith:
        for (const std::size_t length : lengths_) {
          if (length > text.size()) return;
          const bool at_start = like_.form == RuleGuard::Form::StartsWith;
          look_up(text.substr(at_start ? 0 : text.size() - length, length), out);
        }
        return;
      case RuleGuard::Form::Pattern:
        return;
    }
  }

  bool build_set() {
    re2::RE2::Options options;
    options.set_log_errors(false);
    options.set_max_mem(kSetMemory);
    auto set = std::make_unique<re2::RE2::Set>(options, re2::RE2::UNANCHORED);
    for (const RuleGuard& guard : guards_)
      if (set->Add(guard.pattern->pattern(), nullptr) < 0) return false;
    if (!set->Compile()) return false;
    set_ = std::move(set);
    guards_.clear();
    return true;
  }

  void find_patterns(std::string_view text, std::vector<Place>& out) const {
    std::vector<int> found;
    re2::RE2::Set::ErrorInfo error{};
    if (!set_->Match(re2::StringPiece(text.data(), text.size()), &found, &error)) {
      // Out of memory is not a no.
      if (error.kind != re2::RE2::Set::kNoError) append(out, all_);
      return;
    }
    for (const int index : found) out.push_back(all_[static_cast<std::size_t>(index)]);
  }

  const RuleGuard like_;
  Places all_;
  std::vector<RuleGuard> guards_;  // until built
  std::deque<std::string> keys_;
  std::unordered_map<std::string_view, Places> by_key_;
  std::vector<std::size_t> lengths_;  // of the keys
  std::unique_ptr<re2::RE2::Set> set_;
};

RuleIndex::RuleIndex(const Program& program, const Code& code, mail::Stage stage)
    : rules_(program.stage(stage).deciders), fold_local_part_(code.fold_local_part) {
  for (Place place = 0; place < rules_.size(); ++place) {
    const Rule& rule = program.rule(rules_[place]);
    std::optional<RuleGuard> guard;
    // seen() is noted whatever the condition gives; for_each asks other recipients.
    if (rule.condition != kNoExpr && rule.seen_sites.empty() && !rule.for_each_rcpt)
      guard = guard_of(code, program.facts(), code.expressions[rule.condition].root);
    if (!guard) {
      always_.push_back(place);
      continue;
    }
    auto group = std::find_if(groups_.begin(), groups_.end(),
                              [&](const auto& other) { return other->takes(*guard); });
    if (group == groups_.end())
      group = groups_.insert(groups_.end(), std::make_unique<Group>(*guard));
    (*group)->add(*guard, place);
  }
  std::erase_if(groups_, [this](const auto& group) {
    if (group->build()) return false;
    always_.insert(always_.end(), group->all().begin(), group->all().end());
    return true;
  });
  std::sort(always_.begin(), always_.end());
}

RuleIndex::~RuleIndex() = default;

void RuleIndex::candidates(FactSource& facts, std::vector<RuleId>& out) const {
  if (groups_.empty()) {
    out.assign(rules_.begin(), rules_.end());
    return;
  }
  out.assign(always_.begin(), always_.end());
  for (const auto& group : groups_) group->find(facts, fold_local_part_, out);
  if (out.size() > always_.size()) {
    std::sort(out.begin(), out.end());
    out.erase(std::unique(out.begin(), out.end()), out.end());
  }
  for (RuleId& entry : out) entry = rules_[entry];
}

}  // namespace sluice::policy
