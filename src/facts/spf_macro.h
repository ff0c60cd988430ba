// Macro strings of SPF records (RFC 7208 7): parsed once, expanded for a client, a sender and a
// domain.
//
// Limits: an expanded domain keeps its last 253 characters by whole labels (7.3); an explanation is
// cut at kMaxSpfExplanation bytes.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/ip_address.h"
#include "base/result.h"

namespace sluice::facts {

inline constexpr std::size_t kMaxSpfExplanation = 1024;

// What the letters stand for.
struct SpfMacroValues {
  std::string local_part;     // l
  std::string sender_domain;  // o
  std::string domain;         // d: the domain whose record this is
  IpAddress client;           // i, c, v
  std::string
      validated_name;    // p, "unknown" if there is none; only read when uses_validated_name()
  std::string helo;      // h
  std::string receiver;  // r, explanations only
  TimePoint now{};       // t, explanations only
};

class SpfMacroString {
 public:
  // domain-spec: ends in a top label or a macro, letters c, r and t not allowed. Error: what is
  // wrong, for people.
  static Result<SpfMacroString> parse_domain_spec(std::string_view text);
  // explain-string: blanks and all letters allowed.
  static Result<SpfMacroString> parse_explanation(std::string_view text);
  // macro-string of an unknown modifier: only its syntax matters.
  static Result<SpfMacroString> parse_any(std::string_view text);

  bool uses_validated_name() const;  // %{p}
  // The name to ask for: without final dot, at most 253 characters; may still be no valid name.
  std::string expand_domain(const SpfMacroValues& values) const;
  std::string expand_text(const SpfMacroValues& values) const;

 private:
  struct Part {
    std::string literal;
    char letter = 0;           // 0: the literal
    bool url_escaped = false;  // written as a capital
    std::size_t labels = 0;    // the last so many; 0: all
    bool reversed = false;
    std::string delimiters;
  };
  enum class Form { DomainSpec, Explanation, Any };

  static Result<SpfMacroString> parse(std::string_view text, Form form);
  static Result<Part> parse_macro(std::string_view inside, Form form);
  static std::string expand(const Part& part, const SpfMacroValues& values);

  std::vector<Part> parts_;
};

}  // namespace sluice::facts
