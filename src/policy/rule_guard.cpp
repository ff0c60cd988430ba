#include "policy/rule_guard.h"

namespace sluice::policy {
namespace {

class GuardFinder {
 public:
  GuardFinder(const Code& code, const std::vector<UsedFact>& facts) : code_(code), facts_(facts) {}

  std::optional<RuleGuard> find(NodeId id) const {
    const CodeNode& node = code_.nodes[id];
    switch (node.op) {
      case Op::And:
        return of_any_operand(node);
      case Op::Equal:
        return node.flag ? std::nullopt : of_texts(node, RuleGuard::Form::Equal);
      case Op::InItems:
        return of_texts(node, RuleGuard::Form::Equal);
      case Op::Under:
        return of_texts(node, RuleGuard::Form::Under);
      case Op::StartsWith:
        return of_texts(node, RuleGuard::Form::StartsWith);
      case Op::EndsWith:
        return of_texts(node, RuleGuard::Form::EndsWith);
      case Op::Matches:
        return node.flag ? std::nullopt : of_pattern(node);
      default:
        return std::nullopt;
    }
  }

 private:
  NodeId operand(const CodeNode& node, std::size_t i) const {
    return code_.operands[node.first + i];
  }

  // `and` is false as soon as one of its operands is. Words are found quicker than patterns.
  std::optional<RuleGuard> of_any_operand(const CodeNode& node) const {
    std::optional<RuleGuard> found;
    for (std::size_t i = 0; i < node.count; ++i) {
      auto guard = find(operand(node, i));
      if (guard && guard->form != RuleGuard::Form::Pattern) return guard;
      if (guard) found = std::move(guard);
    }
    return found;
  }

  // A fact that is there without a look-up; what costs is asked only where a condition needs it.
  const CodeNode* cheap_fact(NodeId id) const {
    const CodeNode& node = code_.nodes[id];
    if (node.op != Op::Fact) return nullptr;
    const UsedFact& fact = facts_[node.a];
    const bool is_cheap =
        fact.origin == UsedFact::Origin::BuiltIn && fact.signature.cost.empty();
    return is_cheap ? &node : nullptr;
  }

  const std::string* constant_text(NodeId id) const {
    const CodeNode& node = code_.nodes[id];
    return node.op == Op::Constant ? code_.constants[node.a].get_if<std::string>() : nullptr;
  }

  std::optional<RuleGuard> of_texts(const CodeNode& node, RuleGuard::Form form) const {
    if (form == RuleGuard::Form::Equal && node.how != Equality::Texts) return std::nullopt;
    std::size_t subject = 0;
    if (node.op == Op::Equal && !cheap_fact(operand(node, 0))) subject = 1;
    const CodeNode* fact = cheap_fact(operand(node, subject));
    if (fact == nullptr) return std::nullopt;
    RuleGuard guard;
    guard.form = form;
    guard.fact = static_cast<FactIndex>(fact->a);
    guard.matching = node.matching;
    for (std::size_t i = 0; i < node.count; ++i) {
      if (i == subject) continue;
      const std::string* text = constant_text(operand(node, i));
      if (text == nullptr) return std::nullopt;
      std::string scratch;
      guard.keys.emplace_back(
          matching_key(*text, node.matching, code_.fold_local_part, scratch));
      // Everything begins with nothing, and nothing is under it.
      if (form != RuleGuard::Form::Equal && guard.keys.back().empty()) return std::nullopt;
    }
    return guard;
  }

  std::optional<RuleGuard> of_pattern(const CodeNode& node) const {
    const CodeNode* fact = cheap_fact(operand(node, 0));
    if (fact == nullptr) return std::nullopt;
    RuleGuard guard;
    guard.form = RuleGuard::Form::Pattern;
    guard.fact = static_cast<FactIndex>(fact->a);
    guard.pattern = code_.patterns[node.a].get();
    return guard;
  }

  const Code& code_;
  const std::vector<UsedFact>& facts_;
};

}  // namespace

std::optional<RuleGuard> guard_of(const Code& code, const std::vector<UsedFact>& facts,
                                  NodeId condition) {
  return GuardFinder(code, facts).find(condition);
}

}  // namespace sluice::policy
