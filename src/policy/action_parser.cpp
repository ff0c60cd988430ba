#include "policy/action_parser.h"

#include <algorithm>
#include <array>

#include "base/text.h"
#include "policy/expression_parser.h"

namespace sluice::policy {
namespace {

using Kind = ActionSource::Kind;

// A word of a scalar and its place in it.
struct Word {
  std::string_view text;
  std::size_t offset;
};

std::vector<Word> words_of(const Scalar& scalar) {
  const std::string_view text = scalar.text;
  std::vector<Word> words;
  for (std::size_t at = text.find_first_not_of(" \t\r\n"); at < text.size();
       at = text.find_first_not_of(" \t\r\n", at)) {
    const std::size_t end = std::min(text.find_first_of(" \t\r\n", at), text.size());
    words.push_back({text.substr(at, end - at), at});
    at = end;
  }
  return words;
}

SourceSpan span_of(const Scalar& scalar, const Word& word) {
  return scalar.span(word.offset, word.text.size());
}

class ActionParser {
 public:
  ActionParser(const Scalar& scalar, Diagnostics& diagnostics)
      : scalar_(scalar), diagnostics_(diagnostics) {}
  std::optional<ActionSource> parse();
  static std::string verb_of(ActionSource::Kind kind);

 private:
  using Parse = bool (ActionParser::*)();
  // First one or two words -> what the rest must be.
  struct Form {
    std::string_view verb, second;
    Kind kind;
    Parse parse;
  };
  static const std::array<Form, 19> kForms;

  const Form* find_form(const std::vector<Word>& words) const;
  void unknown_action(const std::vector<Word>& words);
  bool parse_rest(const std::vector<Word>& words, const Form& form);
  bool fail(SourceSpan span, std::string message) {
    diagnostics_.error("E401", std::move(span), std::move(message));
    return false;
  }

  bool reply();
  bool reason();
  bool nothing() { return true; }
  bool header();
  bool header_name();
  bool text();
  bool add_to_list();
  bool remove_from_list();
  bool delay();
  bool list_name();
  bool keep_and_condition();
  std::optional<Duration> duration();

  const Scalar& scalar_;
  Diagnostics& diagnostics_;
  ActionSource action_;
  std::vector<Word> rest_;              // words behind the verb, for replies
  std::optional<ExpressionParser> in_;  // tokens behind the verb, for everything else
};

const std::array<ActionParser::Form, 19> ActionParser::kForms{{
    {"reject", "", Kind::Reject, &ActionParser::reply},
    {"defer", "", Kind::Defer, &ActionParser::reply},
    {"disconnect", "", Kind::Disconnect, &ActionParser::reply},
    {"quarantine", "", Kind::Quarantine, &ActionParser::reason},
    {"discard", "", Kind::Discard, &ActionParser::nothing},
    {"header", "", Kind::Header, &ActionParser::header},
    {"insert", "header", Kind::InsertHeader, &ActionParser::header},
    {"set", "header", Kind::SetHeader, &ActionParser::header},
    {"remove", "header", Kind::RemoveHeader, &ActionParser::header_name},
    {"subject", "prefix", Kind::SubjectPrefix, &ActionParser::text},
    {"add", "recipient", Kind::AddRecipient, &ActionParser::text},
    {"add", "", Kind::AddToList, &ActionParser::add_to_list},
    {"remove", "", Kind::RemoveFromList, &ActionParser::remove_from_list},
    {"drop", "recipient", Kind::DropRecipient, &ActionParser::nothing},
    {"delay", "", Kind::Delay, &ActionParser::delay},
    {"log", "", Kind::Log, &ActionParser::text},
    {"redirect", "to", Kind::RedirectTo, &ActionParser::text},
    {"sender", "", Kind::SetSender, &ActionParser::text},
    {"footer", "", Kind::Footer, &ActionParser::text},
}};

// Two-word verbs stand before the one-word verbs that begin like them.
const ActionParser::Form* ActionParser::find_form(const std::vector<Word>& words) const {
  for (const Form& form : kForms) {
    if (words[0].text != form.verb) continue;
    if (form.second.empty() || (words.size() > 1 && words[1].text == form.second)) return &form;
  }
  return nullptr;
}

std::string full_verb(std::string_view verb, std::string_view second) {
  std::string text(verb);
  if (!second.empty()) text.append(" ").append(second);
  return text;
}

std::string ActionParser::verb_of(Kind kind) {
  const auto form =
      std::find_if(kForms.begin(), kForms.end(), [kind](const Form& f) { return f.kind == kind; });
  return full_verb(form->verb, form->second);
}

void ActionParser::unknown_action(const std::vector<Word>& words) {
  const Word& verb = words[0];
  const std::string quoted = "`" + std::string(verb.text.substr(0, 40)) + "`";
  if (verb.text == "accept") {
    fail(span_of(scalar_, verb),
         "there is no `accept`: use `exempt`, which says from what and for how long");
    return;
  }
  std::vector<std::string_view> verbs;
  for (const Form& form : kForms) {
    if (form.verb == verb.text) {
      fail(span_of(scalar_, verb),
           quoted + " alone is no action: write `" + full_verb(form.verb, form.second) + "`");
      return;
    }
    verbs.push_back(form.verb);
  }
  const std::string_view near = nearest(verb.text, verbs);
  fail(span_of(scalar_, verb),
       "unknown action " + quoted +
           (near.empty() ? std::string() : "; did you mean `" + std::string(near) + "`?"));
}

std::optional<ActionSource> ActionParser::parse() {
  const std::vector<Word> words = words_of(scalar_);
  if (words.empty()) {
    fail(scalar_.whole(), "empty action");
    return std::nullopt;
  }
  const Form* form = find_form(words);
  if (!form) {
    unknown_action(words);
    return std::nullopt;
  }
  action_.kind = form->kind;
  action_.span = scalar_.whole();
  if (!parse_rest(words, *form)) return std::nullopt;
  return std::move(action_);
}

bool ActionParser::parse_rest(const std::vector<Word>& words, const Form& form) {
  const std::size_t verb_words = form.second.empty() ? 1 : 2;
  if (form.parse == &ActionParser::reply) {
    rest_.assign(words.begin() + 1, words.end());
    return reply();
  }
  const Word& last = words[verb_words - 1];
  in_.emplace(scalar_, last.offset + last.text.size(), diagnostics_);
  if (!in_->ok() || !(this->*form.parse)()) return false;
  if (in_->at_end()) return true;
  in_->expected("the end of `" + full_verb(form.verb, form.second) + "`", "E401");
  return false;
}

bool is_code(std::string_view text) {
  return text.size() == 3 &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

int code_of(std::string_view digits) {
  return (digits[0] - '0') * 100 + (digits[1] - '0') * 10 + (digits[2] - '0');
}

// CODE [ENHANCED]
bool ActionParser::reply() {
  const std::string verb = verb_of(action_.kind);
  const std::string_view usual = action_.kind == Kind::Reject  ? "550 5.7.1"
                                 : action_.kind == Kind::Defer ? "451 4.7.1"
                                                               : "421 4.3.2";
  const std::string example = "`" + verb + ' ' + std::string(usual) + "`";
  if (rest_.empty()) return fail(action_.span, "`" + verb + "` needs a reply code: " + example);
  action_.code_span = span_of(scalar_, rest_[0]);
  if (!is_code(rest_[0].text))
    return fail(action_.code_span, "a reply code has three digits: " + example);
  action_.code = code_of(rest_[0].text);
  if (rest_.size() == 1) return true;
  action_.status_span = span_of(scalar_, rest_[1]);
  action_.status = mail::EnhancedStatus::parse(rest_[1].text);
  if (!action_.status)
    return fail(
        action_.status_span,
        "this is no enhanced status code (as 5.7.1); what the client shall read stands in `text:`");
  if (rest_.size() == 2) return true;
  return fail(span_of(scalar_, rest_[2]),
              "nothing may follow code and status; what the client shall read stands in `text:`");
}

bool ActionParser::text() {
  if (in_->peek().kind != Token::Kind::String) {
    in_->expected("a text in double quotes", "E401");
    return false;
  }
  action_.text = in_->string_scalar(in_->take());
  return true;
}

bool ActionParser::reason() { return in_->at_end() || text(); }

bool ActionParser::header_name() {
  const Token& name = in_->peek();
  if (name.kind != Token::Kind::Word && name.kind != Token::Kind::String) {
    in_->expected("the name of a header", "E401");
    return false;
  }
  const auto allowed = [](char c) { return c > 32 && c < 127 && c != ':'; };  // RFC 5322 2.2
  if (name.text.empty() || !std::all_of(name.text.begin(), name.text.end(), allowed))
    return fail(in_->span(name),
                "a header's name has no blanks, colons, controls or letters outside ASCII");
  action_.name = in_->take().text;
  return true;
}

bool ActionParser::header() {
  if (!header_name()) return false;
  if (in_->take_symbol("=")) return text();
  in_->expected("`=` behind the name of the header", "E401");
  return false;
}

bool ActionParser::list_name() {
  const Token& name = in_->peek();
  if (name.kind != Token::Kind::List) {
    in_->expected("a list: $name", "E401");
    return false;
  }
  action_.list = name.text;
  action_.list_span = in_->span(name);
  in_->take();
  return true;
}

std::optional<Duration> ActionParser::duration() {
  const Token& token = in_->peek();
  if (token.kind == Token::Kind::Literal && token.literal_kind == policy::Kind::Duration)
    return in_->take().value.get<Duration>();
  in_->expected("a duration (24h)", "E401");
  return std::nullopt;
}

bool ActionParser::add_to_list() {
  auto value = in_->value();
  if (!value) return false;
  action_.value = std::move(*value);
  if (!in_->take_word("to")) {
    in_->expected("`to $list` behind the value", "E401");
    return false;
  }
  return list_name() && keep_and_condition();
}

bool ActionParser::keep_and_condition() {
  if (in_->take_word("for")) {
    action_.keep = duration();
    if (!action_.keep) return false;
  }
  const bool unless = in_->peek().is_word("unless");
  if (!unless && !in_->peek().is_word("when")) return true;
  in_->take();
  auto condition = in_->expression();
  if (!condition) return false;
  action_.condition = std::move(*condition);
  action_.condition_negated = unless;
  return true;
}

bool ActionParser::remove_from_list() {
  auto value = in_->value();
  if (!value) return false;
  action_.value = std::move(*value);
  if (in_->take_word("from")) return list_name();
  in_->expected("`from $list` behind the value", "E401");
  return false;
}

bool ActionParser::delay() {
  const auto wait = duration();
  if (!wait) return false;
  action_.delay = *wait;
  action_.delay_each = in_->take_word("each");
  if (!in_->take_word("max")) return true;
  action_.delay_max = duration();
  return action_.delay_max.has_value();
}

}  // namespace

std::optional<ActionSource> parse_action(const Scalar& scalar, Diagnostics& diagnostics) {
  return ActionParser(scalar, diagnostics).parse();
}

std::optional<OnUnknown> parse_on_unknown(const Scalar& scalar, Diagnostics& diagnostics) {
  using What = OnUnknown::What;
  const std::vector<Word> words = words_of(scalar);
  OnUnknown result;
  result.span = scalar.whole();
  const std::string_view verb = words.empty() ? std::string_view() : words[0].text;
  const bool plain = verb == "skip" || verb == "match";
  result.what = verb == "match" ? What::Match : verb == "defer" ? What::Defer : What::Skip;
  const bool has_code = words.size() > 1, has_status = words.size() > 2;
  bool good = (plain && words.size() == 1) || (verb == "defer" && words.size() <= 3);
  if (good && has_code) {
    good = is_code(words[1].text);
    if (good) result.code = code_of(words[1].text);
  }
  if (good && has_status) {
    result.status = mail::EnhancedStatus::parse(words[2].text);
    good = result.status.has_value();
  }
  if (good) return result;
  diagnostics.error("E401", result.span,
                    "on_unknown is `skip`, `match` or `defer`, the last with a code and a status "
                    "if wished (defer 451 4.7.24)");
  return std::nullopt;
}

bool is_deciding(ActionSource::Kind kind) { return kind <= ActionSource::Kind::Discard; }

std::string action_verb(ActionSource::Kind kind) { return ActionParser::verb_of(kind); }

}  // namespace sluice::policy
