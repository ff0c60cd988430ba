#include "policy/template_compiler.h"

#include <algorithm>
#include <array>

namespace sluice::policy {
namespace {

struct Word {
  std::string_view name;
  std::optional<RuleKind> only;  // known in rules of this kind
};
constexpr std::array<Word, 6> kWords{{{"limit.max", RuleKind::Limit},
                                      {"limit.wait", RuleKind::Limit},
                                      {"limit.name", RuleKind::Limit},
                                      {"greylist.wait", RuleKind::Greylist},
                                      {"rule", std::nullopt},
                                      {"id", std::nullopt}}};

const Word* find_word(std::string_view name) {
  const auto found =
      std::find_if(kWords.begin(), kWords.end(), [name](const Word& w) { return w.name == name; });
  return found == kWords.end() ? nullptr : &*found;
}

// Bytes [from, to) of a scalar as one of its own that still knows its places.
Scalar part_of(const Scalar& whole, std::size_t from, std::size_t to) {
  Scalar part;
  part.text = whole.text.substr(from, to - from);
  part.begin = whole.span(from, 1);
  for (const auto& [offset, place] : whole.jumps)
    if (offset > from && offset <= to)
      part.jumps.emplace_back(static_cast<std::uint32_t>(offset - from), place);
  return part;
}

bool is_control(char c) { return (c >= 0 && c < 0x20) || c == 0x7f; }

}  // namespace

bool TemplateCompiler::check_word(std::string_view word, const SourceSpan& span) {
  const Word& known = *find_word(word);
  if (!known.only || *known.only == kind_) return true;
  c_.findings.error("E405", span,
                    "`" + std::string(word) + "` is known in texts of a " +
                        std::string(rule_kind_name(*known.only)) + " only");
  return false;
}

bool TemplateCompiler::check_characters(const Scalar& text, std::string_view content, bool lines) {
  for (std::size_t i = 0; i < content.size(); ++i) {
    if (!is_control(content[i]) || (lines && (content[i] == '\n' || content[i] == '\t'))) continue;
    c_.findings.error("E406", text.span(i, 1),
                      "control characters and line breaks cannot stand here");
    return false;
  }
  return true;
}

std::optional<TemplatePiece> TemplateCompiler::placeholder(const Scalar& text, std::size_t from,
                                                           std::size_t to) {
  TemplatePiece piece;
  std::string_view inner = std::string_view(text.text).substr(from, to - from);
  if (const std::size_t bar = inner.rfind('|');
      bar != std::string_view::npos && inner.find('"', bar) == std::string_view::npos) {
    if (inner.substr(bar + 1) != "upper") {
      c_.findings.error(
          "E401", text.span(from + bar + 1, std::max<std::size_t>(inner.size() - bar - 1, 1)),
          "unknown form `" + std::string(inner.substr(bar + 1)) + "`; `upper` is the only one");
      return std::nullopt;
    }
    piece.upper = true;
    inner = inner.substr(0, bar);
  }
  if (inner.starts_with("let ")) {
    from += 4;
    inner.remove_prefix(4);
  }
  if (find_word(inner)) {
    if (!check_word(inner, text.span(from, inner.size()))) return std::nullopt;
    piece.kind = TemplatePiece::Kind::Word;
    piece.text = inner;
    return piece;
  }
  const auto node = parse_expression(part_of(text, from, from + inner.size()), c_.findings.all());
  if (!node) return std::nullopt;
  TypeChecker checker(c_, place_, narrowing_);
  auto typed = checker.value(*node);
  if (!typed) return std::nullopt;
  if (typed->type.kind == Kind::Record || typed->type.record) {
    c_.findings.error("E203", node->span, "`" + render_expression(*node) + "` has no text");
    return std::nullopt;
  }
  piece.kind = TemplatePiece::Kind::Value;
  piece.value_kind = typed->type.kind == Kind::List ? typed->type.element : typed->type.kind;
  piece.value = emitter_.emit(*typed);
  return piece;
}

TemplateId TemplateCompiler::compile(const Scalar& text, bool lines) {
  std::string_view content = text.text;
  if (content.ends_with('\n')) content.remove_suffix(1);  // of a block scalar
  if (content.size() > kMaxTemplateBytes) {
    c_.findings.error("E401", text.begin,
                      "a text has at most " + std::to_string(kMaxTemplateBytes) + " octets");
    return kNoTemplate;
  }
  bool good = check_characters(text, content, lines);
  std::vector<TemplatePiece> pieces;
  std::size_t at = 0;
  while (at < content.size()) {
    const std::size_t open = std::min(content.find('{', at), content.size());
    if (open > at)
      pieces.push_back({TemplatePiece::Kind::Text, std::string(content.substr(at, open - at)), 0,
                        Kind::Text, false});
    if (open == content.size()) break;
    const std::size_t close = content.find('}', open);
    if (close == std::string_view::npos) {
      c_.findings.error("E401", text.span(open, 1), "`{` without `}`");
      return kNoTemplate;
    }
    auto piece = placeholder(text, open + 1, close);
    good = good && piece;
    if (piece) pieces.push_back(std::move(*piece));
    at = close + 1;
  }
  if (!good) return kNoTemplate;
  c_.code.templates.push_back(std::move(pieces));
  return static_cast<TemplateId>(c_.code.templates.size() - 1);
}

}  // namespace sluice::policy
