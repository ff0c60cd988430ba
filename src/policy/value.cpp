#include "policy/value.h"

#include <fmt/format.h>

#include <array>

#include "base/text.h"
#include "policy/type.h"

namespace sluice::policy {
namespace {

struct ReasonText {
  UnknownReason reason;
  std::string_view name;
  bool dns;
};
constexpr std::array kReasons{
    ReasonText{UnknownReason::Timeout, "timeout", true},
    ReasonText{UnknownReason::ServFail, "servfail", true},
    ReasonText{UnknownReason::Budget, "budget", true},
    ReasonText{UnknownReason::Breaker, "breaker", true},
    ReasonText{UnknownReason::Store, "store", false},
    ReasonText{UnknownReason::Scanner, "scanner", false},
    ReasonText{UnknownReason::External, "external", false},
    ReasonText{UnknownReason::Malformed, "malformed", false},
    ReasonText{UnknownReason::Unsupported, "unsupported", false},
    ReasonText{UnknownReason::Argument, "argument", false},
    ReasonText{UnknownReason::Callout, "callout", false},
};

const ReasonText& entry(UnknownReason reason) {
  for (const ReasonText& r : kReasons)
    if (r.reason == reason) return r;
  return kReasons.front();
}

std::string render_rate(const Rate& rate) {
  if (rate.unlimited) return "unlimited";
  const std::string count = rate.bytes ? render_size(rate.count) : std::to_string(rate.count);
  return count + "/" + render_duration(rate.period);
}

// One overload for each alternative; `kind` tells sizes and elements of lists of sizes from plain
// numbers.
struct Renderer {
  Kind kind;

  std::string operator()(const None&) const { return "-"; }
  std::string operator()(const Unknown&) const { return "?"; }
  std::string operator()(bool b) const { return b ? "true" : "false"; }
  std::string operator()(std::int64_t i) const {
    return kind == Kind::Size ? render_size(i) : std::to_string(i);
  }
  std::string operator()(double d) const { return render_number(d); }
  std::string operator()(const std::string& s) const { return s; }
  std::string operator()(const IpAddress& ip) const { return ip.to_string(); }
  std::string operator()(const Network& net) const { return net.to_string(); }
  std::string operator()(Duration d) const { return render_duration(d); }
  std::string operator()(const Rate& rate) const { return render_rate(rate); }
  std::string operator()(ClockTime t) const {
    return fmt::format("{:02}:{:02}", t.minutes / 60, t.minutes % 60);
  }
  std::string operator()(TimePoint t) const { return render_datetime(t); }
  std::string operator()(const ValuesPtr& list) const {
    std::string text;
    for (const Value& item : *list) {
      if (item.is_unknown()) continue;
      if (!text.empty()) text += ", ";
      text += std::visit(*this, item.variant());
    }
    return text;
  }
};

}  // namespace

std::string_view reason_name(UnknownReason reason) { return entry(reason).name; }
bool is_dns_reason(UnknownReason reason) { return entry(reason).dns; }

std::string render_value(const Value& value) { return render_value(value, Kind::Text); }

std::string render_value(const Value& value, Kind kind) {
  return std::visit(Renderer{kind}, value.variant());
}

}  // namespace sluice::policy
