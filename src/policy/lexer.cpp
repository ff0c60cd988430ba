#include "policy/lexer.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "base/text.h"
#include "policy/ast.h"

namespace sluice::policy {
namespace {

// Longest first: `<=` before `<`.
constexpr std::array<std::string_view, 16> kSymbols{"..", "==", "!=", "<=", ">=", "=~", "!~", "??",
                                                    "(",  ")",  "[",  "]",  ",",  "<",  ">",  "="};

// What people write who come from another language.
struct Habit {
  std::string_view symbol, instead;
};
constexpr std::array<Habit, 8> kHabits{{{"&&", "write `and`"},
                                        {"||", "write `or`"},
                                        {"!", "write `not`"},
                                        {"'", "texts stand in double quotes"},
                                        {"%", "a share is written as a number: 0.9"},
                                        {"+", "there is no arithmetic"},
                                        {"-", "a minus sign stands directly before a number"},
                                        {"*", "patterns are regular expressions: =~ /.../"}}};

// Words of enums that begin with a digit (RFC 6152, RFC 3030).
constexpr std::array<std::string_view, 2> kDigitWords{"7bit", "8bitmime"};

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
bool is_alnum(char c) { return is_digit(c) || is_letter(c); }
bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

std::optional<std::int64_t> parse_int(std::string_view text) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::optional<double> parse_float(std::string_view text) {
  double value = 0;
  const auto [end, error] =
      std::from_chars(text.data(), text.data() + text.size(), value, std::chars_format::fixed);
  const bool whole = error == std::errc{} && end == text.data() + text.size();
  if (!whole || text.empty() || !is_digit(text.back())) return std::nullopt;  // no inf, no "5."
  return value;
}

std::optional<ClockTime> parse_clock(std::string_view text) {
  const std::size_t colon = text.find(':');
  if (colon == std::string_view::npos || colon == 0 || colon > 2 || text.size() != colon + 3)
    return std::nullopt;
  if (!is_digit(text[colon + 1]) || !is_digit(text[0])) return std::nullopt;
  const auto hours = parse_int(text.substr(0, colon)), minutes = parse_int(text.substr(colon + 1));
  if (!hours || !minutes || *hours > 23 || *minutes > 59) return std::nullopt;
  return ClockTime{static_cast<std::int32_t>(*hours * 60 + *minutes)};
}

std::optional<Rate> parse_rate(std::string_view text) {
  if (text == "unlimited") return Rate{.unlimited = true};
  const std::size_t slash = text.find('/');
  if (slash == std::string_view::npos) return std::nullopt;
  const std::string_view amount = trim(text.substr(0, slash));
  const auto period = parse_duration(trim(text.substr(slash + 1)));
  if (!period || period->count() <= 0 || amount.empty() || !is_digit(amount[0]))
    return std::nullopt;
  if (const auto count = parse_int(amount)) return Rate{.count = *count, .period = *period};
  if (const auto size = parse_size(amount))
    return Rate{.count = *size, .period = *period, .bytes = true};
  return std::nullopt;
}

template <class T>
std::optional<Value> as_value(const std::optional<T>& parsed) {
  return parsed ? std::optional<Value>(Value(*parsed)) : std::nullopt;
}

class Lexer {
 public:
  Lexer(const Scalar& scalar, std::size_t from, Diagnostics& diagnostics)
      : scalar_(scalar), text_(scalar.text), at_(from), diagnostics_(diagnostics) {}

  std::optional<std::vector<Token>> run() {
    if (text_.size() > kMaxExpressionBytes) {
      fail("E201", 0, 1, "longer than " + std::to_string(kMaxExpressionBytes) + " bytes");
      return std::nullopt;
    }
    while (true) {
      while (at_ < text_.size() && is_blank(text_[at_])) ++at_;
      Token& token = tokens_.emplace_back();
      token.offset = at_;
      if (at_ == text_.size()) return std::move(tokens_);
      if (tokens_.size() > kMaxTokens) {
        fail("E201", at_, 1, "too long: more than " + std::to_string(kMaxTokens) + " words");
        return std::nullopt;
      }
      if (!next(token)) return std::nullopt;
      token.length = at_ - token.offset;
    }
  }

 private:
  bool next(Token& token) {
    const char c = text_[at_];
    if (c == '/' && regex_expected()) return regex(token);
    if (c == '"') return string(token);
    if (c == '$') return list(token);
    if (is_digit(c) || (c == '-' && is_digit(peek(1)))) return number(token);
    if (is_letter(c) || static_cast<unsigned char>(c) >= 0x80) return word(token);
    return symbol(token);
  }

  bool regex_expected() const {
    if (tokens_.size() < 2) return false;
    const Token& before = tokens_[tokens_.size() - 2];
    return before.is_symbol("=~") || before.is_symbol("!~");
  }

  char peek(std::size_t ahead) const {
    return at_ + ahead < text_.size() ? text_[at_ + ahead] : '\0';
  }

  bool fail(std::string code, std::size_t offset, std::size_t length, std::string message) {
    diagnostics_.error(std::move(code), scalar_.span(offset, length), std::move(message));
    return false;
  }

  bool symbol(Token& token) {
    const std::string_view rest = text_.substr(at_);
    for (const std::string_view symbol : kSymbols) {
      if (!rest.starts_with(symbol)) continue;
      token.kind = Token::Kind::Symbol;
      token.text = symbol;
      at_ += symbol.size();
      return true;
    }
    for (const Habit& habit : kHabits)
      if (rest.starts_with(habit.symbol))
        return fail(
            "E201", at_, habit.symbol.size(),
            "unexpected `" + std::string(habit.symbol) + "`: " + std::string(habit.instead));
    if (rest[0] == '/')
      return fail("E201", at_, 1,
                  "unexpected `/`: a regular expression stands behind `=~` or `!~`");
    return fail("E201", at_, 1, "unexpected `" + std::string(1, rest[0]) + "`");
  }

  // Names: parts of letters, digits, _ and inner hyphens; joined by dots.
  void take_name(std::string_view joints) {
    while (at_ < text_.size()) {
      const char c = text_[at_];
      const bool joint = joints.find(c) != std::string_view::npos;
      const bool more = is_alnum(peek(1)) || static_cast<unsigned char>(peek(1)) >= 0x80;
      if (!is_alnum(c) && static_cast<unsigned char>(c) < 0x80 && !(joint && more)) return;
      ++at_;
    }
  }

  bool word(Token& token) {
    token.kind = Token::Kind::Word;
    take_name(".-");
    token.text = text_.substr(token.offset, at_ - token.offset);
    for (std::size_t i = 0; i < token.text.size(); ++i)
      if (static_cast<unsigned char>(token.text[i]) >= 0x80)
        return fail("E201", token.offset + i, 1,
                    "names are written in ASCII; texts stand in double quotes");
    if (token.text != "unlimited") return true;
    token.kind = Token::Kind::Literal;
    token.literal_kind = Kind::Rate;
    token.value = Rate{.unlimited = true};
    return true;
  }

  bool list(Token& token) {
    ++at_;
    if (!is_alnum(peek(0)))
      return fail("E201", at_ - 1, 1, "`$` needs the name of a list or table");
    token.kind = Token::Kind::List;
    take_name("-/.");
    token.text = text_.substr(token.offset + 1, at_ - token.offset - 1);
    return true;
  }

  bool string(Token& token) {
    token.kind = Token::Kind::String;
    for (++at_; at_ < text_.size() && text_[at_] != '"'; ++at_) {
      if (text_[at_] != '\\') {
        token.text += text_[at_];
        continue;
      }
      const char escaped = peek(1);
      constexpr std::string_view kEscapes = "\"\\ntr", kMeant = "\"\\\n\t\r";
      const std::size_t which = escaped == '\0' ? std::string_view::npos : kEscapes.find(escaped);
      if (which == std::string_view::npos)
        return fail("E201", at_, 2,
                    "unknown escape: \\\" \\\\ \\n \\t \\r are known; a backslash is written \\\\");
      token.text += kMeant[which];
      ++at_;
    }
    if (at_ >= text_.size())
      return fail("E201", token.offset, 1, "the text that begins here has no closing quote");
    ++at_;
    return true;
  }

  bool regex(Token& token) {
    token.kind = Token::Kind::Regex;
    for (++at_; at_ < text_.size() && text_[at_] != '/'; ++at_) {
      if (text_[at_] == '\\' && at_ + 1 < text_.size()) {
        if (text_[at_ + 1] != '/') token.text += '\\';
        ++at_;
      }
      token.text += text_[at_];
    }
    if (at_ >= text_.size())
      return fail("E201", token.offset, 1,
                  "the regular expression that begins here has no closing `/`");
    ++at_;
    while (is_alnum(peek(0))) token.flags += text_[at_++];
    const std::size_t wrong = token.flags.find_first_not_of("ims");
    if (wrong == std::string::npos) return true;
    return fail("E201", at_ - token.flags.size() + wrong, 1,
                "unknown flag `" + std::string(1, token.flags[wrong]) + "`: i, m and s are known");
  }

  // All that may belong to a number: 5, 1.5, 2m5s, 5MB, 22:30, 2026-10-15T00:00:00.5+01:00.
  void take_number() {
    if (text_[at_] == '-') ++at_;
    const bool date = is_date(text_.substr(at_));
    while (at_ < text_.size()) {
      const char c = text_[at_];
      const bool inside =
          is_digit(peek(1)) && (c == '.' || c == ':' || (date && (c == '-' || c == '+')));
      if (!is_alnum(c) && !inside) return;
      ++at_;
    }
  }

  static bool is_date(std::string_view text) {
    constexpr std::string_view kShape = "0000-00-00";
    return text.size() >= kShape.size() &&
           std::equal(kShape.begin(), kShape.end(), text.begin(),
                      [](char shape, char c) { return shape == '0' ? is_digit(c) : c == shape; });
  }

  bool number(Token& token) {
    token.kind = Token::Kind::Literal;
    const std::size_t start = at_;
    take_number();
    take_rate();
    const std::string_view written = text_.substr(start, at_ - start);
    if (std::find(kDigitWords.begin(), kDigitWords.end(), written) != kDigitWords.end()) {
      token.kind = Token::Kind::Word;
      token.text = written;
      return true;
    }
    constexpr std::array kKinds{Kind::Int,  Kind::Float, Kind::Duration, Kind::Size,
                                Kind::Rate, Kind::Clock, Kind::Datetime};
    for (const Kind kind : kKinds) {
      const auto value = parse_literal(written, kind);
      if (!value) continue;
      token.literal_kind = kind;
      token.value = *value;
      token.text = written;
      return true;
    }
    return wrong_number(start, written);
  }

  // `100/1h`, `20MB / 1d`
  void take_rate() {
    std::size_t slash = at_;
    while (slash < text_.size() && text_[slash] == ' ') ++slash;
    if (slash >= text_.size() || text_[slash] != '/') return;
    at_ = slash + 1;
    while (peek(0) == ' ') ++at_;
    while (is_alnum(peek(0)) || (peek(0) == '.' && is_digit(peek(1)))) ++at_;
  }

  bool wrong_number(std::size_t start, std::string_view written) {
    const std::string quoted = "`" + std::string(written) + "`";
    const auto say = [&](std::string code, const std::string& message) {
      return fail(std::move(code), start, written.size(), message);
    };
    if (written.find('/') != std::string_view::npos &&
        std::count(written.begin(), written.end(), '.') < 2)
      return say("E211", quoted + " is not a rate: write 100/1h or 20MB/1d");
    if (is_date(written))
      return say("E201", quoted + " is not a date and time: write 2026-10-15T00:00Z");
    if (std::count(written.begin(), written.end(), '.') > 1 ||
        std::count(written.begin(), written.end(), ':') > 1)
      return say("E201",
                 quoted + " is not a number; addresses and networks stand in double quotes");
    if (written.find(':') != std::string_view::npos)
      return say("E201", quoted + " is not a time of day: write 22:30");
    if (written[0] == '-' && parse_literal(written.substr(1), Kind::Duration))
      return say("E211", quoted + ": a duration cannot be negative");
    return say("E211",
               quoted + " has no known unit: durations end in ms s m h d, sizes in B kB MB GB");
  }

  const Scalar& scalar_;
  std::string_view text_;
  std::size_t at_;
  Diagnostics& diagnostics_;
  std::vector<Token> tokens_;
};

}  // namespace

std::optional<std::vector<Token>> lex(const Scalar& scalar, std::size_t from,
                                      Diagnostics& diagnostics) {
  return Lexer(scalar, from, diagnostics).run();
}

std::optional<Value> parse_literal(std::string_view text, Kind kind) {
  switch (kind) {
    case Kind::Int:
      return as_value(parse_int(text));
    case Kind::Float:
      return as_value(parse_float(text));
    case Kind::Duration:
      return as_value(parse_duration(text));
    case Kind::Size:
      return as_value(parse_size(text));
    case Kind::Rate:
      return as_value(parse_rate(text));
    case Kind::Clock:
      return as_value(parse_clock(text));
    case Kind::Datetime:
      return as_value(parse_datetime(text));
    default:
      return std::nullopt;
  }
}

}  // namespace sluice::policy
