#include "policy/program.h"

#include <algorithm>

#include "base/text.h"
#include "base/utf8.h"
#include "policy/evaluator.h"
#include "policy/rule_index.h"
#include "policy/template_compiler.h"

namespace sluice::policy {
namespace {

std::string_view first_characters(std::string_view text, std::size_t count) {
  std::size_t at = 0;
  while (at < text.size() && count-- > 0)
    at += std::max<std::size_t>(decode_utf8(text, at).length, 1);
  return text.substr(0, std::min(at, text.size()));
}

// A value in a text: cut, without anything that could end a line.
void append_value(std::string& text, const Value& value, const TemplatePiece& piece) {
  const std::string printed = render_value(value, piece.value_kind);
  for (char c : first_characters(printed, kMaxTemplateValue)) {
    if ((c >= 0 && c < 0x20) || c == 0x7f) c = '?';
    if (piece.upper && c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
    text += c;
  }
}

void collect_facts(const Code& code, NodeId id, std::vector<FactIndex>& facts) {
  const CodeNode& node = code.nodes[id];
  if (node.op == Op::Fact) facts.push_back(static_cast<FactIndex>(node.a));
  if (node.op == Op::Age) facts.push_back(code.now);
  for (std::size_t i = 0; i < node.count; ++i)
    collect_facts(code, code.operands[node.first + i], facts);
}

}  // namespace

Program::Program() = default;
Program::~Program() = default;

void Program::candidates(mail::Stage stage, FactSource& facts, std::vector<RuleId>& out) const {
  indices_[static_cast<std::size_t>(stage)]->candidates(facts, out);
}

TruthOutcome Program::test(ExprId expr, FactSource& facts, std::uint32_t recipient) const {
  if (expr == kNoExpr) return outcome_of(Truth::True);
  return Evaluator(*code_, facts_, facts, recipient).truth(code_->expressions[expr].root);
}

std::optional<Value> Program::evaluate(ExprId expr, FactSource& facts,
                                       std::uint32_t recipient) const {
  if (expr == kNoExpr) return Value(true);
  Value own;
  const Value* value =
      Evaluator(*code_, facts_, facts, recipient).value(code_->expressions[expr].root, own);
  if (!value) return std::nullopt;
  return value == &own ? std::move(own) : *value;
}

std::optional<std::string> Program::render(TemplateId id, FactSource& facts,
                                           std::uint32_t recipient) const {
  std::string text;
  if (id == kNoTemplate) return text;
  Evaluator evaluator(*code_, facts_, facts, recipient);
  bool pending = false;
  for (const TemplatePiece& piece : code_->templates[id]) {
    if (piece.kind == TemplatePiece::Kind::Text) {
      text += piece.text;
    } else if (piece.kind == TemplatePiece::Kind::Word) {
      append_value(text, Value(facts.template_word(piece.text)), piece);
    } else {
      Value own;
      const Value* value = evaluator.value(piece.value, own);
      if (value)
        append_value(text, *value, piece);
      else
        pending = true;
    }
  }
  return pending ? std::nullopt : std::optional(std::move(text));
}

Kind Program::kind_of(ExprId expr) const {
  return expr == kNoExpr ? Kind::Bool : code_->expressions[expr].kind;
}

std::string_view Program::expression_text(ExprId expr) const {
  return expr == kNoExpr ? std::string_view("true") : code_->expressions[expr].text;
}

std::vector<FactIndex> Program::facts_of(ExprId expr) const {
  std::vector<FactIndex> facts;
  if (expr == kNoExpr) return facts;
  collect_facts(*code_, code_->expressions[expr].root, facts);
  std::sort(facts.begin(), facts.end());
  facts.erase(std::unique(facts.begin(), facts.end()), facts.end());
  return facts;
}

bool Program::visit_seen(std::uint32_t site, FactSource& facts, std::uint32_t recipient,
                         const SeenVisitor& visit) const {
  std::vector<std::pair<Values, Duration>> found;
  Evaluator evaluator(*code_, facts_, facts, recipient);
  const bool there = evaluator.visit_seen(
      code_->sites[site], 0, [&found](std::span<const Value> values, Duration within) {
        found.emplace_back(Values(values.begin(), values.end()), within);
      });
  if (!there) return false;
  for (const auto& [values, within] : found) visit(values, within);
  return true;
}

const std::string& Program::seen_state_key(std::uint32_t site) const {
  return code_->sites[site].state_key;
}

std::string key_text(const Value& value, Kind kind) { return key_text(value, kind, true); }

std::string key_text(const Value& value, Kind kind, bool fold_local_part) {
  if (const auto* text = value.get_if<std::string>()) {
    std::string scratch;
    return std::string(matching_key(*text, matching_of(kind), fold_local_part, scratch));
  }
  const auto* list = value.get_if<ValuesPtr>();
  if (!list) return render_value(value);
  std::string joined;
  for (const Value& item : **list) {
    const std::string part = key_text(item, kind, fold_local_part);
    joined += std::to_string(part.size()) + ":" + part;
  }
  return joined;
}

}  // namespace sluice::policy
