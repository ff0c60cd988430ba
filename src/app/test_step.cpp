#include <array>
#include <cctype>
#include <charconv>

#include "app/test_suite.h"
#include "base/text.h"

namespace sluice::app {

namespace {

using policy::Scalar;

constexpr std::string_view kArrow = "=>";

// Words of an expectation: blanks separate, quotes hold together (`text="two words"`).
struct Token {
  std::size_t offset = 0;
  std::string text;        // quotes taken off
  std::size_t length = 0;  // in the file
};

std::vector<Token> tokens_of(std::string_view text, std::size_t offset) {
  std::vector<Token> tokens;
  std::size_t i = 0;
  while (i < text.size()) {
    if (text[i] == ' ' || text[i] == '\t') {
      ++i;
      continue;
    }
    Token token{offset + i, {}, 0};
    const std::size_t start = i;
    char quote = 0;
    for (; i < text.size() && (quote != 0 || (text[i] != ' ' && text[i] != '\t')); ++i) {
      if (quote != 0 && text[i] == quote) {
        quote = 0;
      } else if (quote == 0 && (text[i] == '"' || text[i] == '\'')) {
        quote = text[i];
      } else if (quote != 0 && text[i] == '\\' && i + 1 < text.size()) {
        token.text.push_back(text[++i]);
      } else {
        token.text.push_back(text[i]);
      }
    }
    token.length = i - start;
    tokens.push_back(std::move(token));
  }
  return tokens;
}

bool parse_code(std::string_view text, int& code) {
  const auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), code);
  return error == std::errc{} && rest == text.data() + text.size() && text.size() == 3;
}

bool is_status(std::string_view text) {
  const auto parts = split(text, '.');
  if (parts.size() != 3) return false;
  for (const std::string_view part : parts) {
    if (part.empty() || part.size() > 3) return false;
    for (const char c : part) {
      if (std::isdigit(static_cast<unsigned char>(c)) == 0) return false;
    }
  }
  return true;
}

bool add_rule(Expectation& e, const std::string& value) { return !(e.rule = value).empty(); }
bool add_text(Expectation& e, const std::string& value) {
  e.texts.push_back(value);
  return true;
}
bool add_header(Expectation& e, const std::string& value) {
  const std::size_t colon = value.find(':');
  if (colon == std::string::npos || colon == 0) return false;
  e.headers.emplace_back(trim(std::string_view(value).substr(0, colon)),
                         trim(std::string_view(value).substr(colon + 1)));
  return true;
}
bool add_absent_header(Expectation& e, const std::string& value) {
  e.absent_headers.push_back(value);
  return !value.empty();
}
bool add_would(Expectation& e, const std::string& value) {
  int code = 0;
  if (!parse_code(value, code)) return false;
  e.would = code;
  return true;
}
bool add_delay(Expectation& e, const std::string& value) {
  return (e.delay = parse_duration(value)).has_value();
}

struct Condition {
  std::string_view key;
  bool (*add)(Expectation&, const std::string&);
};
constexpr std::array<Condition, 6> kConditions{{{"rule", add_rule},
                                                {"text", add_text},
                                                {"header", add_header},
                                                {"no-header", add_absent_header},
                                                {"would", add_would},
                                                {"delay", add_delay}}};

bool add_condition(Expectation& expected, const std::string& token) {
  if (token == "quarantine") return expected.quarantine = true;
  if (token == "discard") return expected.discard = true;
  const std::size_t equals = token.find('=');
  if (equals == std::string::npos) return false;
  for (const Condition& condition : kConditions) {
    if (condition.key == std::string_view(token).substr(0, equals))
      return condition.add(expected, token.substr(equals + 1));
  }
  return false;
}

bool parse_expectation(const Scalar& scalar, std::size_t begin, Expectation& expected,
                       Diagnostics& diagnostics) {
  const std::vector<Token> tokens = tokens_of(std::string_view(scalar.text).substr(begin), begin);
  if (tokens.empty() || !parse_code(tokens.front().text, expected.code)) {
    diagnostics.error("E106", scalar.whole(), "a reply code is expected after `=>`");
    return false;
  }
  std::size_t next = 1;
  if (tokens.size() > 1 && is_status(tokens[1].text)) expected.status = tokens[next++].text;
  bool ok = true;
  for (; next < tokens.size(); ++next) {
    if (add_condition(expected, tokens[next].text)) continue;
    diagnostics.error(
        "E106", scalar.span(tokens[next].offset, tokens[next].length),
        "`" + tokens[next].text +
            "` is none of rule= text= header= no-header= would= delay= quarantine discard");
    ok = false;
  }
  return ok;
}

// "repeat 50: RCPT …"
bool take_repeat(std::string_view& command, int& repeat) {
  constexpr std::string_view kWord = "repeat ";
  if (command.substr(0, kWord.size()) != kWord) return true;
  const std::size_t colon = command.find(':');
  if (colon == std::string_view::npos) return false;
  const std::string_view count = trim(command.substr(kWord.size(), colon - kWord.size()));
  const auto [rest, error] = std::from_chars(count.data(), count.data() + count.size(), repeat);
  if (error != std::errc{} || rest != count.data() + count.size() || repeat < 1 ||
      repeat > kMaxTestRepeat)
    return false;
  command = trim(command.substr(colon + 1));
  return true;
}

}  // namespace

std::optional<TestStep> parse_step(const Scalar& scalar, Diagnostics& diagnostics) {
  const std::size_t arrow = scalar.text.find(kArrow);
  if (arrow == std::string::npos) {
    diagnostics.error("E106", scalar.whole(), "a step is written COMMAND => CODE");
    return std::nullopt;
  }
  TestStep step;
  step.span = scalar.whole();
  step.written = scalar.text;
  std::string_view command = trim(std::string_view(scalar.text).substr(0, arrow));
  if (!take_repeat(command, step.repeat)) {
    diagnostics.error("E106", scalar.whole(),
                      "a repeated step is written `repeat N: COMMAND => CODE`, N up to " +
                          std::to_string(kMaxTestRepeat));
    return std::nullopt;
  }
  step.command = std::string(command);
  if (step.command.empty()) {
    diagnostics.error("E106", scalar.whole(), "a command is expected before `=>`");
    return std::nullopt;
  }
  if (!parse_expectation(scalar, arrow + kArrow.size(), step.expected, diagnostics))
    return std::nullopt;
  return step;
}

}  // namespace sluice::app
