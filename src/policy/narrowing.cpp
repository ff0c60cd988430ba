#include "policy/narrowing.h"

#include <algorithm>

namespace sluice::policy {
namespace {

// A bool fact that says of another, when it is false, that it is set.
struct Implied {
  std::string_view fact, set_when_false;
};
constexpr Implied kImplied[] = {{"sender.is_null", "sender.address"}};

// A value that is never none: a literal, an enum's word, a fact that is not optional.
bool is_never_none(const Node& node, std::size_t file, const Declarations& names) {
  if (node.kind == Node::Kind::Items)
    return std::all_of(node.children.begin(), node.children.end(),
                       [&](const Node& item) { return is_never_none(item, file, names); });
  if (node.kind == Node::Kind::Literal) return true;
  if (node.kind != Node::Kind::Name || names.let(file, node.text)) return false;
  const auto fact = names.fact(node.text);
  return fact ? !fact->signature->type.optional : node.text != "none";
}

std::string key_of(const Node& node, std::size_t file, const Declarations& names) {
  if (node.kind == Node::Kind::Name && !names.let(file, node.text)) return node.text;
  return render_expression(names.expanded(node, file));
}

}  // namespace

void Narrowing::note(const Node& node, std::size_t file, const Declarations& names) {
  set_.insert(key_of(node, file, names));
  // Without its tag an address is set exactly when it was set before.
  if (node.kind == Node::Kind::Call && node.text == "strip_tag")
    note(node.children[0], file, names);
}

bool Narrowing::is_set(const Node& node, std::size_t file, const Declarations& names) const {
  return anything_ || (!set_.empty() && set_.contains(key_of(node, file, names)));
}

void Narrowing::assume_all(const Node& node, bool truth, std::size_t file,
                           const Declarations& names) {
  for (const Node& child : node.children) assume(child, truth, file, names);
}

// One of the operands is so, it is not known which: what all of them would say.
void Narrowing::assume_common(const Node& node, bool truth, std::size_t file,
                              const Declarations& names) {
  std::set<std::string> common;
  for (std::size_t i = 0; i < node.children.size(); ++i) {
    Narrowing one;
    one.assume(node.children[i], truth, file, names);
    if (i == 0)
      common = std::move(one.set_);
    else
      std::erase_if(common, [&](const std::string& key) { return !one.set_.contains(key); });
  }
  set_.merge(common);
}

void Narrowing::assume(const Node& node, bool truth, std::size_t file, const Declarations& names) {
  switch (node.kind) {
    case Node::Kind::Name:
      if (const LetSource* let = names.let(file, node.text))
        return assume(let->expression, truth, let->file, names);
      for (const Implied& implied : kImplied)
        if (!truth && implied.fact == node.text) set_.emplace(implied.set_when_false);
      return;
    case Node::Kind::Not:
      return assume(node.children[0], !truth, file, names);
    case Node::Kind::And:
      return truth ? assume_all(node, truth, file, names) : assume_common(node, truth, file, names);
    case Node::Kind::Or:
      return truth ? assume_common(node, truth, file, names) : assume_all(node, truth, file, names);
    case Node::Kind::Is:
      if ((node.text == "set" || node.text == "none") &&
          ((node.text == "set") != node.negated) == truth)
        note(node.children[0], file, names);
      return;
    case Node::Kind::Compare:
      if (node.op != (truth ? Node::Op::Eq : Node::Op::Ne)) return;
      if (is_never_none(node.children[1], file, names)) note(node.children[0], file, names);
      if (is_never_none(node.children[0], file, names)) note(node.children[1], file, names);
      return;
    case Node::Kind::In:
      if (node.children[1].kind == Node::Kind::Items &&
          !is_never_none(node.children[1], file, names))
        return;
      if (truth != node.negated) note(node.children[0], file, names);
      return;
    case Node::Kind::InRange:
    case Node::Kind::Under:
    case Node::Kind::Contains:
    case Node::Kind::StartsWith:
    case Node::Kind::EndsWith:
    case Node::Kind::Matches:
      if (truth != node.negated) note(node.children[0], file, names);
      return;
    default:
      return;
  }
}

}  // namespace sluice::policy
