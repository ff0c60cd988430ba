// DNS lists (RFC 5782): dnsbl.NAME of each list that the policy declares, and dnsbl.names,
// dnsbl.text over all of them.
#include <algorithm>

#include "base/text.h"
#include "facts/make_fact.h"
#include "mail/address.h"
#include "mail/domain.h"

namespace sluice::facts {

using backends::DnsAnswer;
using backends::DnsType;
using policy::Kind;
using policy::Value;

namespace {

bool within(const std::vector<std::pair<IpAddress, IpAddress>>& ranges, const IpAddress& address) {
  return std::any_of(ranges.begin(), ranges.end(), [&](const auto& range) {
    return range.first <= address && address <= range.second;
  });
}

// The entries that RFC 5782 5 makes every list hold for tests are no listings of mail: mail of this
// host comes from 127/8, and clients do say HELO TEST. Lists of names answer a question about an
// address with an error of their own that may look like a hit.
std::optional<std::string> listable_name(std::string_view text) {
  auto name = mail::to_ascii_domain(text);
  return name && mail::is_fully_qualified(*name) ? std::move(name) : std::nullopt;
}

bool is_own_host(const IpAddress& address) {
  static const Network loopback(IpAddress::from_v4(0x7f000000), 8);
  static const IpAddress loopback6 = *IpAddress::parse("::1");
  return loopback.contains(address) || address == loopback6;
}

// What is looked up below the zone; nullopt: nothing to ask (null sender, HELO that is no name).
std::optional<std::string> subject_labels(const policy::Dnsbl& list, FactContext& c) {
  switch (list.of) {
    case policy::Dnsbl::Of::ClientIp:
      if (!c.connection().client_ip || is_own_host(*c.connection().client_ip)) return std::nullopt;
      return c.connection().client_ip->reversed_labels();
    case policy::Dnsbl::Of::SenderDomain:
      if (c.envelope() == nullptr) return std::nullopt;
      return listable_name(
          mail::split_at_last_at(mail::strip_brackets(c.envelope()->sender_path)).domain);
    case policy::Dnsbl::Of::HeloName:
      return c.helo() != nullptr ? listable_name(*c.helo()) : std::nullopt;
  }
  return std::nullopt;
}

std::optional<std::string> question(const policy::Dnsbl& list, FactContext& c) {
  const auto labels = subject_labels(list, c);
  if (!labels || labels->size() + list.zone.size() + 1 > mail::kMaxDomain) return std::nullopt;
  return *labels + "." + list.zone;
}

// 127.0.0.1 is never a listing (RFC 5782 5: a zone that answers so for all is broken); the admin's
// error range and what lies outside 127/8 say that we may not ask, or that a parked domain answers
// everything.
enum class Hit { No, Yes, Unknown };
Hit judge(const policy::Dnsbl& list, const DnsAnswer& answer) {
  static const Network loopback(IpAddress::from_v4(0x7f000000), 8);
  static const IpAddress one = IpAddress::from_v4(0x7f000001);
  bool unknown = false;
  for (const auto& record : answer.records) {
    if (within(list.error, record.address) || !loopback.contains(record.address)) {
      unknown = true;
    } else if (record.address != one && within(list.hit, record.address)) {
      return Hit::Yes;
    }
  }
  return unknown ? Hit::Unknown : Hit::No;
}

// The names of the lists that hit. For each list that is unknown an unknown element: what depends
// on it is unknown in conditions, texts show the others.
Outcome names(FactContext& c) {
  policy::Values hits;
  bool pending = false, any_hit = false;
  std::optional<Value> unknown;
  for (const policy::Dnsbl& list : c.program().dnsbls()) {
    const Outcome hit = resolve_dnsbl(list, c);
    if (!hit) {
      pending = true;
    } else if (hit->is_unknown()) {
      unknown = *hit;
      hits.push_back(*hit);
    } else if (hit->get<bool>()) {
      hits.emplace_back(list.name);
      any_hit = true;
    }
  }
  if (pending) return std::nullopt;
  if (unknown && !any_hit) return *unknown;
  return Value::list(std::move(hits));
}

Outcome text_of(const policy::Dnsbl& list, FactContext& c) {
  const DnsAnswer* txt = c.dns(*question(list, c), DnsType::Txt);
  if (txt == nullptr) return std::nullopt;
  if (!is_answer(txt->status)) return Value(unknown_of(txt->status));
  return txt->records.empty() ? Value() : Value(txt->records.front().text);
}

// Of the first list that is known to hit. None only when all lists are known not to.
Outcome text(FactContext& c) {
  Value none_hit;
  bool pending = false;
  for (const policy::Dnsbl& list : c.program().dnsbls()) {
    const Outcome hit = resolve_dnsbl(list, c);
    if (!hit) pending = true;
    if (pending) continue;
    if (*hit == Value(true)) return text_of(list, c);
    if (hit->is_unknown()) none_hit = *hit;
  }
  if (pending) return std::nullopt;
  return none_hit;
}

}  // namespace

Outcome resolve_dnsbl(const policy::Dnsbl& list, FactContext& c) {
  const auto name = question(list, c);
  if (!name) return Value(false);
  const DnsAnswer* answer = c.dns(*name, DnsType::A);
  if (answer == nullptr) return std::nullopt;
  if (!is_answer(answer->status)) return Value(unknown_of(answer->status));
  const Hit hit = judge(list, *answer);
  if (hit == Hit::Unknown) return Value(policy::Unknown{policy::UnknownReason::Malformed});
  return Value(hit == Hit::Yes);
}

std::vector<Fact> dnsbl_facts() {
  return make_facts(
      mail::Stage::Connect, mail::Scope::Transaction,
      {
          {"dnsbl.names", policy::Type::list_of(Kind::Text),
           "Names of the DNS lists of this policy that hit.", names, "1 DNS look-up per list"},
          {"dnsbl.text", optional(Kind::Text), "TXT record of the first list that hit.", text,
           "1 DNS look-up per list and one more"},
      });
}

}  // namespace sluice::facts
