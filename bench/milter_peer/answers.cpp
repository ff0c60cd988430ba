#include "milter_peer/answers.h"

#include <algorithm>

namespace sluice::peer {
namespace {

struct AnswerRule {
  AnswerCode code;
  AnswerPart part;
  bool has_index;  // a 32-bit number before the texts
};

constexpr std::array<AnswerRule, 19> kAnswerRules = {{
    {AnswerCode::AddRcptWithParameters, AnswerPart::Edit, false},
    {AnswerCode::Shutdown, AnswerPart::Final, false},
    {AnswerCode::AddRcpt, AnswerPart::Edit, false},
    {AnswerCode::DeleteRcpt, AnswerPart::Edit, false},
    {AnswerCode::Accept, AnswerPart::Final, false},
    {AnswerCode::ReplaceBody, AnswerPart::Edit, false},
    {AnswerCode::Continue, AnswerPart::Final, false},
    {AnswerCode::Discard, AnswerPart::Final, false},
    {AnswerCode::ChangeFrom, AnswerPart::Edit, false},
    {AnswerCode::ConnectionFailure, AnswerPart::Final, false},
    {AnswerCode::AddHeader, AnswerPart::Edit, false},
    {AnswerCode::InsertHeader, AnswerPart::Edit, true},
    {AnswerCode::ChangeHeader, AnswerPart::Edit, true},
    {AnswerCode::Progress, AnswerPart::Progress, false},
    {AnswerCode::Quarantine, AnswerPart::Edit, false},
    {AnswerCode::Reject, AnswerPart::Final, false},
    {AnswerCode::Skip, AnswerPart::Final, false},
    {AnswerCode::Tempfail, AnswerPart::Final, false},
    {AnswerCode::ReplyCode, AnswerPart::Final, false},
}};

const AnswerRule* rule_of_answer(char code) {
  const auto rule = std::find_if(kAnswerRules.begin(), kAnswerRules.end(), [code](const auto& r) {
    return r.code == static_cast<AnswerCode>(code);
  });
  return rule == kAnswerRules.end() ? nullptr : &*rule;
}

// Takes the text up to its NUL from `rest`; nullopt without one.
std::optional<std::string_view> take_text(std::string_view& rest) {
  const std::size_t end = rest.find('\0');
  if (end == std::string_view::npos) return std::nullopt;
  const std::string_view text = rest.substr(0, end);
  rest.remove_prefix(end + 1);
  return text;
}

std::vector<std::string> words_of(std::string_view list) {
  std::vector<std::string> words;
  while (!list.empty() && words.size() < kMaxMacroNames) {
    const std::size_t begin = list.find_first_not_of(' ');
    if (begin == std::string_view::npos) break;
    const std::size_t end = std::min(list.find(' ', begin), list.size());
    words.emplace_back(list.substr(begin, end - begin));
    list.remove_prefix(end);
  }
  return words;
}

}  // namespace

std::optional<Negotiation> parse_negotiation(std::string_view body) {
  constexpr std::size_t kNumbersBytes = 12;
  if (body.size() < kNumbersBytes) return std::nullopt;
  Negotiation result;
  result.version = read_u32(body);
  result.actions = read_u32(body.substr(4));
  result.steps = read_u32(body.substr(8));
  std::string_view rest = body.substr(kNumbersBytes);
  while (!rest.empty()) {
    if (rest.size() < 4) return std::nullopt;
    const std::uint32_t stage = read_u32(rest);
    rest.remove_prefix(4);
    const auto list = take_text(rest);
    if (!list || stage >= kMacroStages) return std::nullopt;
    result.macros[stage] = words_of(*list);
  }
  return result;
}

bool Answer::lets_pass() const {
  return kind == Kind::NotAsked || is(AnswerCode::Continue) || is(AnswerCode::Accept) ||
         is(AnswerCode::Skip);
}

AnswerPart part_of(const Frame& frame) {
  const AnswerRule* rule = rule_of_answer(frame.code);
  return rule == nullptr ? AnswerPart::Invalid : rule->part;
}

std::optional<Edit> parse_edit(const Frame& frame) {
  const AnswerRule* rule = rule_of_answer(frame.code);
  if (rule == nullptr || rule->part != AnswerPart::Edit) return std::nullopt;
  Edit edit{rule->code, 0, {}};
  std::string_view rest = frame.body;
  if (rule->has_index) {
    if (rest.size() < 4) return std::nullopt;
    edit.index = read_u32(rest);
    rest.remove_prefix(4);
  }
  if (rule->code == AnswerCode::ReplaceBody) {
    edit.texts.emplace_back(rest);
    return edit;
  }
  while (!rest.empty()) {
    const auto text = take_text(rest);
    if (!text) return std::nullopt;
    edit.texts.emplace_back(*text);
  }
  return edit;
}

std::string undouble_percent(std::string_view reply) {
  std::string text;
  for (std::size_t i = 0; i < reply.size(); ++i) {
    text.push_back(reply[i]);
    if (reply[i] == '%' && i + 1 < reply.size() && reply[i + 1] == '%') ++i;
  }
  return text;
}

}  // namespace sluice::peer
