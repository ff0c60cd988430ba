#include "policy/emitter.h"

#include <algorithm>

#include "policy/evaluator.h"

namespace sluice::policy {
namespace {

// Constant parts ask for nothing.
class NoFacts final : public FactSource {
 public:
  const Value* fact(FactIndex, std::uint32_t) override { return nullptr; }
  std::uint32_t recipient_count() override { return 0; }
  const Value* header(std::string_view) override { return nullptr; }
  const Value* contains(ListId, const Value&) override { return nullptr; }
  const Value* seen(std::uint32_t, std::span<const Value>, Duration) override { return nullptr; }
  std::string template_word(std::string_view) override { return {}; }
};

// Operations whose value depends on more than their operands.
bool is_foldable(Op op) {
  constexpr Op kAsking[] = {Op::Constant,  Op::Fact, Op::Field, Op::Item, Op::Header, Op::Age,
                            Op::InDynamic, Op::Seen, Op::Any,   Op::All,  Op::Count};
  return std::find(std::begin(kAsking), std::end(kAsking), op) == std::end(kAsking);
}

const bool* constant_truth(const Typed& typed) {
  return typed.is_constant() ? typed.constant.get_if<bool>() : nullptr;
}

void become(Typed& typed, Value value) {
  typed.node = CodeNode{};
  typed.constant = std::move(value);
  typed.children.clear();
}

}  // namespace

bool Emitter::is_costly(const Typed& typed) const {
  const Op op = typed.node.op;
  if (op == Op::InDynamic || op == Op::Seen) return true;
  if (op == Op::Fact) {
    const UsedFact& fact = c_.facts[typed.node.a];
    if (fact.origin != UsedFact::Origin::BuiltIn || !fact.signature.cost.empty()) return true;
  }
  return std::any_of(typed.children.begin(), typed.children.end(),
                     [this](const Typed& t) { return is_costly(t); });
}

// True when the node became a constant or one of its operands.
bool Emitter::simplify(Typed& typed) {
  const Op op = typed.node.op;
  if (op == Op::And || op == Op::Or) {
    const bool stops = op == Op::Or;
    std::erase_if(typed.children, [stops](const Typed& t) {
      const bool* truth = constant_truth(t);
      return truth && *truth != stops;
    });
    for (const Typed& child : typed.children)
      if (constant_truth(child)) return become(typed, Value(stops)), true;
    if (typed.children.empty()) return become(typed, Value(!stops)), true;
    std::stable_partition(typed.children.begin(), typed.children.end(),
                          [this](const Typed& t) { return !is_costly(t); });
    return false;
  }
  return fold(typed);
}

bool Emitter::fold(Typed& typed) {
  const Op op = typed.node.op;
  const bool all_constant = std::all_of(typed.children.begin(), typed.children.end(),
                                        [](const Typed& t) { return t.is_constant(); });
  const bool loaded = (op != Op::InStatic && op != Op::UnderStatic && op != Op::InTuples) ||
                      typed.node.a < c_.code.lists.size();
  if (!is_foldable(op) || !all_constant || !loaded ||
      (op == Op::Lookup && typed.node.a >= c_.code.tables.size()))
    return false;
  Code& code = c_.code;
  const std::size_t nodes = code.nodes.size(), operands = code.operands.size(),
                    constants = code.constants.size();
  CodeNode node = typed.node;
  node.first = static_cast<std::uint32_t>(operands);
  node.count = static_cast<std::uint16_t>(typed.children.size());
  for (Typed& child : typed.children) {
    code.operands.push_back(static_cast<NodeId>(code.nodes.size()));
    CodeNode constant;
    constant.a = static_cast<std::uint32_t>(code.constants.size());
    code.constants.push_back(child.constant);
    code.nodes.push_back(constant);
  }
  code.nodes.push_back(node);
  NoFacts no_facts;
  Value own;
  const Value* value = Evaluator(code, c_.facts, no_facts, FactSource::kNoElement)
                           .value(static_cast<NodeId>(code.nodes.size() - 1), own);
  Value result = *value;
  code.nodes.resize(nodes);
  code.operands.resize(operands);
  code.constants.resize(constants);
  become(typed, std::move(result));
  return true;
}

// Folds from the leaves up.
static void fold_tree(Typed& typed, auto&& simplify) {
  for (Typed& child : typed.children) fold_tree(child, simplify);
  simplify(typed);
}

ExprId Emitter::add(Typed typed, std::string text) {
  const Kind kind = typed.type.kind;
  const NodeId root = emit(typed);
  c_.code.expressions.push_back({root, kind, std::move(text)});
  return static_cast<ExprId>(c_.code.expressions.size() - 1);
}

namespace {
// A list without facts is held once, with its texts in key form.
void hold_list(Typed& typed, Compilation& c) {
  const auto all_texts = [&](std::size_t from) {
    return std::all_of(
        typed.children.begin() + static_cast<std::ptrdiff_t>(from), typed.children.end(),
        [](const Typed& t) { return t.is_constant() && t.constant.get_if<std::string>(); });
  };
  constexpr std::size_t kWorthwhile = 5;  // fewer are compared as quickly
  if (typed.node.op != Op::InItems || typed.node.how != Equality::Texts ||
      typed.children.size() <= kWorthwhile || !all_texts(1))
    return;
  constexpr Kind kKinds[] = {Kind::Enum, Kind::Text, Kind::Domain, Kind::Address};
  auto list = std::make_shared<StaticList>(
      std::vector{kKinds[static_cast<std::size_t>(typed.node.matching)]},
      c.options.fold_local_part);
  for (std::size_t i = 1; i < typed.children.size(); ++i)
    if (!list->add(typed.children[i].constant.get<std::string>())) return;
  list->finish();
  typed.children.resize(1);
  const Matching matching = typed.node.matching;
  typed.node = CodeNode{};
  typed.node.op = Op::InStatic;
  typed.node.matching = matching;
  typed.node.a = c.use(StaticListPtr(std::move(list)));
}
}  // namespace

NodeId Emitter::emit(Typed& typed) {
  fold_tree(typed, [this](Typed& t) {
    if (!simplify(t)) hold_list(t, c_);
  });
  return lay_down(typed);
}

NodeId Emitter::lay_down(Typed& typed) {
  const NodeId id = static_cast<NodeId>(c_.code.nodes.size());
  c_.code.nodes.emplace_back();
  CodeNode node = typed.node;
  refer(typed, node, id);
  if (!typed.children.empty()) {
    const bool quantifier = node.op == Op::Any || node.op == Op::All || node.op == Op::Count;
    std::vector<NodeId> operands;
    if (quantifier) around_.push_back(id);
    for (Typed& child : typed.children) operands.push_back(lay_down(child));
    if (quantifier) around_.pop_back();
    node.count = static_cast<std::uint16_t>(operands.size());
    node.first = static_cast<std::uint32_t>(c_.code.operands.size());
    c_.code.operands.insert(c_.code.operands.end(), operands.begin(), operands.end());
  }
  c_.code.nodes[id] = node;
  return id;
}

// Puts what the node needs besides operands into the program.
void Emitter::refer(Typed& typed, CodeNode& node, NodeId id) {
  Code& code = c_.code;
  switch (node.op) {
    case Op::Constant:
      node.a = static_cast<std::uint32_t>(code.constants.size());
      code.constants.push_back(std::move(typed.constant));
      return;
    case Op::Field:
    case Op::Item:
      node.first = c_.use_string(typed.name);
      return;
    case Op::Header:
      node.a = c_.use_string(typed.name);
      node.b = c_.use_string("header(\"" + typed.name + "\")");
      return;
    case Op::Seen:
      node.a = static_cast<std::uint32_t>(code.sites.size());
      sites_.push_back(node.a);
      code.sites.push_back({around_, id, prefix_ + "/seen/" + typed.name});
      return;
    default:
      return;
  }
}

const Value* Emitter::constant_of(ExprId expr) const {
  const CodeNode& node = c_.code.nodes[c_.code.expressions[expr].root];
  return node.op == Op::Constant ? &c_.code.constants[node.a] : nullptr;
}

}  // namespace sluice::policy
