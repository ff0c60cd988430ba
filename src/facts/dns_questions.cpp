#include "facts/dns_questions.h"

#include <algorithm>
#include <tuple>

#include "facts/public_suffix.h"

namespace sluice::facts {

using backends::DnsAnswer;
using backends::DnsStatus;
using backends::DnsType;
using policy::Value;

namespace {

constexpr std::size_t kMaxPtrNames =
    10;  // RFC 7208 4.6.4 sets the same bound for the same question
constexpr std::size_t kMaxMxHosts = 20;

bool is_null_mx(const DnsAnswer& mx) {
  return mx.status == DnsStatus::Ok && mx.records.size() == 1 && mx.records[0].text.empty();
}

// The two address look-ups of one name, asked together.
struct Addresses {
  const DnsAnswer* a;
  const DnsAnswer* aaaa;
  bool pending() const { return a == nullptr || aaaa == nullptr; }
  bool any() const { return a->status == DnsStatus::Ok || aaaa->status == DnsStatus::Ok; }
  bool failed() const { return !is_answer(a->status) || !is_answer(aaaa->status); }
  policy::Unknown unknown() const {
    return unknown_of(is_answer(a->status) ? aaaa->status : a->status);
  }
};

Addresses ask_addresses(FactContext& context, std::string_view name) {
  return {context.dns(name, DnsType::A), context.dns(name, DnsType::Aaaa)};
}

bool points_to(const Addresses& addresses, const IpAddress& wanted) {
  const auto has = [&](const DnsAnswer& answer) {
    return std::any_of(answer.records.begin(), answer.records.end(),
                       [&](const auto& record) { return record.address == wanted; });
  };
  return has(*addresses.a) || has(*addresses.aaaa);
}

bool all_special(const DnsAnswer& answer) {
  return std::all_of(answer.records.begin(), answer.records.end(),
                     [](const auto& record) { return record.address.is_special(); });
}

}  // namespace

Outcome has_address(FactContext& context, std::string_view name) {
  const Addresses addresses = ask_addresses(context, name);
  if (addresses.a != nullptr && addresses.a->status == DnsStatus::Ok) return Value(true);
  if (addresses.pending()) return std::nullopt;
  if (addresses.any()) return Value(true);
  if (addresses.failed()) return Value(addresses.unknown());
  return Value(false);
}

Outcome receives_mail(FactContext& context, std::string_view domain) {
  const DnsAnswer* mx = context.dns(domain, DnsType::Mx);
  if (mx == nullptr) return std::nullopt;
  if (is_null_mx(*mx)) return Value(false);
  if (mx->status == DnsStatus::Ok) return Value(true);
  if (mx->status == DnsStatus::NxDomain) return Value(false);
  if (!is_answer(mx->status)) return Value(unknown_of(mx->status));
  return has_address(context, domain);
}

Outcome has_null_mx(FactContext& context, std::string_view domain) {
  const DnsAnswer* mx = context.dns(domain, DnsType::Mx);
  if (mx == nullptr) return std::nullopt;
  if (!is_answer(mx->status)) return Value(unknown_of(mx->status));
  return Value(is_null_mx(*mx));
}

Outcome has_bogus_mx(FactContext& context, std::string_view domain) {
  const DnsAnswer* mx = context.dns(domain, DnsType::Mx);
  if (mx == nullptr) return std::nullopt;
  if (!is_answer(mx->status)) return Value(unknown_of(mx->status));
  if (mx->status != DnsStatus::Ok || is_null_mx(*mx)) return Value(false);
  bool pending = false;
  bool any_address = false;
  std::optional<policy::Unknown> unknown;
  for (std::size_t i = 0; i < mx->records.size() && i < kMaxMxHosts; ++i) {
    const Addresses addresses = ask_addresses(context, mx->records[i].text);
    if (addresses.pending()) {
      pending = true;
      continue;
    }
    if (!all_special(*addresses.a) || !all_special(*addresses.aaaa)) return Value(false);
    any_address = any_address || addresses.any();
    if (addresses.failed()) unknown = addresses.unknown();
  }
  if (pending) return std::nullopt;
  if (unknown) return Value(*unknown);
  return Value(any_address);
}

Outcome mx_group(FactContext& context, std::string_view domain) {
  const DnsAnswer* mx = context.dns(domain, DnsType::Mx);
  if (mx == nullptr) return std::nullopt;
  if (!is_answer(mx->status)) return Value(unknown_of(mx->status));
  if (mx->status != DnsStatus::Ok || is_null_mx(*mx)) return Value();
  const auto best =
      std::min_element(mx->records.begin(), mx->records.end(), [](const auto& a, const auto& b) {
        return std::tie(a.preference, a.text) < std::tie(b.preference, b.text);
      });
  return Value(registrable_domain(best->text));
}

Outcome reverse_name(FactContext& context, const IpAddress& address) {
  const DnsAnswer* ptr = context.dns(address.reverse_name(), DnsType::Ptr);
  if (ptr == nullptr) return std::nullopt;
  if (!is_answer(ptr->status)) return Value(unknown_of(ptr->status));
  if (ptr->records.empty()) return Value();
  return Value(ptr->records.front().text);
}

Outcome confirmed_reverse_name(FactContext& context, const IpAddress& address) {
  const DnsAnswer* ptr = context.dns(address.reverse_name(), DnsType::Ptr);
  if (ptr == nullptr) return std::nullopt;
  if (!is_answer(ptr->status)) return Value(unknown_of(ptr->status));
  bool pending = false;
  std::optional<policy::Unknown> unknown;
  for (std::size_t i = 0; i < ptr->records.size() && i < kMaxPtrNames; ++i) {
    const Addresses addresses = ask_addresses(context, ptr->records[i].text);
    if (addresses.pending()) {
      pending = true;
      continue;
    }
    if (points_to(addresses, address)) return Value(ptr->records[i].text);
    if (addresses.failed()) unknown = addresses.unknown();
  }
  if (pending) return std::nullopt;
  if (unknown) return Value(*unknown);
  return Value();
}

}  // namespace sluice::facts
