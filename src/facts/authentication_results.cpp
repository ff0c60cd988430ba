#include "facts/authentication_results.h"

#include <algorithm>

#include "base/text.h"
#include "facts/message_signatures.h"

namespace sluice::facts {

using policy::Value;

namespace {

constexpr std::size_t kMaxResultsValue = 256;  // octets of one value

bool is_domain_char(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
         c == '.' || c == '_' || static_cast<unsigned char>(c) >= 0x80;
}

// RFC 2045 5.1 token without its rarer characters, and those of plain addresses.
bool is_plain(char c) {
  return static_cast<unsigned char>(c) < 0x80 && (is_domain_char(c) || c == '@' || c == '+');
}

// Behind comments, which nest, and blanks.
std::string_view skip_comments(std::string_view text) {
  int depth = 0;
  std::size_t i = 0;
  for (; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '\\' && depth > 0) {
      ++i;
    } else if (c == '(') {
      ++depth;
    } else if (c == ')' && depth > 0) {
      --depth;
    } else if (depth == 0 && c != ' ' && c != '\t' && c != '\r' && c != '\n') {
      break;
    }
  }
  return text.substr(std::min(i, text.size()));
}

std::string unquoted(std::string_view text) {
  std::string out;
  for (std::size_t i = 1; i < text.size() && text[i] != '"'; ++i) {
    if (text[i] == '\\' && i + 1 < text.size()) ++i;
    out.push_back(text[i]);
  }
  return out;
}

// The word of a result: temperror for what is unknown.
std::string word_of(const Value& value) {
  if (value.is_unknown()) return "temperror";
  return value.is_none() ? "none" : value.get<std::string>();
}

// One line: "dkim=pass header.d=…".
class ResultLine {
 public:
  ResultLine(std::string_view method, std::string_view result) {
    text_ = std::string(method) + "=" + std::string(result);
  }
  ResultLine& property(std::string_view name, std::string_view value) {
    if (!value.empty()) text_ += " " + std::string(name) + "=" + results_value(value);
    return *this;
  }
  ResultLine& comment(std::string_view words) {
    if (words.empty()) return *this;
    text_ += " (";
    for (const char c : words) text_.push_back(is_plain(c) || c == ' ' || c == '=' ? c : '?');
    text_ += ")";
    return *this;
  }
  operator std::string() const { return text_; }  // NOLINT: a line is its text

 private:
  std::string text_;
};

using Lines = std::vector<std::string>;

std::string_view sender_of(FactContext& c) {
  std::string_view path = c.envelope() != nullptr ? c.envelope()->sender_path : std::string_view();
  if (path.size() >= 2 && path.front() == '<' && path.back() == '>')
    path = path.substr(1, path.size() - 2);
  return path;
}

// False: pending. The same for the others.
bool tell_spf(FactContext& c, Lines& lines) {
  const Value* result = c.fact("spf.result");
  if (result == nullptr) return false;
  ResultLine line("spf", word_of(*result));
  const std::string_view sender = sender_of(c);
  if (!sender.empty()) {
    line.property("smtp.mailfrom", sender);
  } else if (c.helo() != nullptr) {
    line.property("smtp.helo", *c.helo());
  }
  lines.push_back(line);
  return true;
}

bool tell_dkim(FactContext& c, Lines& lines) {
  MessageSignatures* signatures = c.signatures();
  ContextAnswers answers(c);
  const auto outcomes = signatures != nullptr ? signatures->dkim(answers, c.now())
                                              : std::optional(std::vector<SignatureOutcome>());
  if (!outcomes) return false;
  if (outcomes->empty()) lines.push_back(ResultLine("dkim", "none"));
  for (const SignatureOutcome& one : *outcomes)
    lines.push_back(ResultLine("dkim", signature_result_name(one.result))
                        .comment(one.problem)
                        .property("header.d", one.domain)
                        .property("header.s", one.selector)
                        .property("header.a", one.algorithm)
                        .property("header.b", one.signature_start));
  return true;
}

bool tell_dmarc(FactContext& c, Lines& lines) {
  const Value* result = c.fact("dmarc.result");
  const Value* policy = c.fact("dmarc.policy");
  const Value* author = c.fact("from.domain");
  if (result == nullptr || policy == nullptr || author == nullptr) return false;
  ResultLine line("dmarc", word_of(*result));
  if (!policy->is_unknown() && !policy->is_none()) line.comment("p=" + word_of(*policy));
  if (!author->is_unknown() && !author->is_none())
    line.property("header.from", author->get<std::string>());
  lines.push_back(line);
  return true;
}

bool tell_arc(FactContext& c, Lines& lines) {
  const Value* result = c.fact("arc.result");
  const Value* sealer = c.fact("arc.sealer");
  if (result == nullptr || sealer == nullptr) return false;
  if (word_of(*result) == "none") return true;
  ResultLine line("arc", word_of(*result));
  if (!sealer->is_unknown() && !sealer->is_none())
    line.comment("sealed by " + sealer->get<std::string>());
  lines.push_back(line);
  return true;
}

}  // namespace

std::string results_value(std::string_view text) {
  text = text.substr(0, kMaxResultsValue);
  if (!text.empty() && std::all_of(text.begin(), text.end(), is_plain)) return std::string(text);
  std::string out = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') out.push_back('\\');
    out.push_back(byte < ' ' || byte >= 0x7f ? '?' : c);
  }
  return out + "\"";
}

std::string claimed_authserv_id(std::string_view value) {
  value = skip_comments(value);
  const std::string quoted =
      !value.empty() && value.front() == '"' ? unquoted(value) : std::string();
  if (!quoted.empty()) value = quoted;
  const auto end = std::find_if_not(value.begin(), value.end(), is_domain_char);
  return fold(std::string_view(value.data(), static_cast<std::size_t>(end - value.begin())));
}

std::optional<std::string> authentication_results(FactContext& context) {
  Lines lines;
  bool is_whole = true;
  // All are asked, so that what they look up is looked up side by side.
  for (bool (*tell)(FactContext&, Lines&) : {tell_spf, tell_dkim, tell_dmarc, tell_arc})
    is_whole = tell(context, lines) && is_whole;
  if (!is_whole) return std::nullopt;
  std::string text = results_value(context.settings().authserv_id);
  for (const std::string& line : lines) text += ";\n\t" + line;
  return text;
}

}  // namespace sluice::facts
