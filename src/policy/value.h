// Value: what a fact or an expression gave: a value, none ("we know there is none") or unknown ("we could not find out").
#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/clock.h"
#include "base/ip_address.h"

namespace sluice::policy {

struct None {
  bool operator==(const None&) const = default;
};

enum class UnknownReason : std::uint8_t {
  Timeout, ServFail, Budget, Breaker, Store, Scanner, External, Malformed, Unsupported, Argument, Callout,
};
std::string_view reason_name(UnknownReason reason);  // "timeout", "servfail", …
bool is_dns_reason(UnknownReason reason);            // Timeout, ServFail, Budget, Breaker

struct Unknown {
  UnknownReason reason = UnknownReason::Timeout;
  bool operator==(const Unknown&) const = default;
};

// `count` per `period`; bytes for size rates. Unlimited has no period.
struct Rate {
  std::int64_t count = 0;
  Duration period{0};
  bool bytes = false;
  bool unlimited = false;
  bool operator==(const Rate&) const = default;
};
// Time of day, minutes since midnight 0..1439.
struct ClockTime {
  std::int32_t minutes = 0;
  auto operator<=>(const ClockTime&) const = default;
};

class Value;
using Values = std::vector<Value>;
// Lists are shared, never changed after they were made. A record is the list of its fields in the order of its shape.
using ValuesPtr = std::shared_ptr<const Values>;

class Value {
 public:
  using Variant = std::variant<None, Unknown, bool, std::int64_t, double, std::string, IpAddress, Network, Duration, Rate,
                               ClockTime, TimePoint, ValuesPtr>;
  Value() = default;  // none
  Value(None) {}
  Value(Unknown u) : v_(u) {}
  Value(bool b) : v_(b) {}
  Value(std::int64_t i) : v_(i) {}   // Int, Size (bytes)
  Value(int i) : v_(std::int64_t{i}) {}
  Value(double d) : v_(d) {}
  Value(std::string s) : v_(std::move(s)) {}  // Text, Domain (A-label), Address (Address::key-able text), Enum word
  Value(const char* s) : v_(std::string(s)) {}
  Value(std::string_view s) : v_(std::string(s)) {}
  Value(const IpAddress& a) : v_(a) {}
  Value(const Network& n) : v_(n) {}
  Value(Duration d) : v_(d) {}
  Value(const Rate& r) : v_(r) {}
  Value(ClockTime c) : v_(c) {}
  Value(TimePoint t) : v_(t) {}
  Value(ValuesPtr l) : v_(std::move(l)) {}
  static Value list(Values items) { return Value(std::make_shared<const Values>(std::move(items))); }
  template <class T> Value(const std::optional<T>& o) { if (o) *this = Value(*o); }

  bool is_none() const { return std::holds_alternative<None>(v_); }
  bool is_unknown() const { return std::holds_alternative<Unknown>(v_); }
  bool is_set() const { return !is_none() && !is_unknown(); }
  UnknownReason reason() const { return std::get<Unknown>(v_).reason; }
  template <class T> const T* get_if() const { return std::get_if<T>(&v_); }
  template <class T> const T& get() const { return std::get<T>(v_); }
  const Variant& variant() const { return v_; }
  bool operator==(const Value&) const = default;

 private:
  Variant v_;
};

// For people and templates: durations as 5m, numbers at most 2 decimals, none "-", unknown "?"; known elements of a list.
std::string render_value(const Value& value);
// The same where the type is known: a Size (or a list of them) prints as 5.72MB.
enum class Kind : std::uint8_t;
std::string render_value(const Value& value, Kind kind);

}  // namespace sluice::policy
