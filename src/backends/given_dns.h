// GivenDns: the resolver of tests; answers inline from what it was given, in the notation of policy
// tests.
//
//   dns.add("far.example MX", {"10 mail.far.example"});   "0 ." is the null MX (RFC 7505)
//   dns.add("far.example TXT", {"v=spf1 -all"});          plain text, one value is one record
//   dns.add("203.0.113.77 PTR", {"mail.far.example"});    the same as "77.113.0.203.in-addr.arpa
//   PTR" dns.add("slow.example A", {"timeout"});               or nxdomain, servfail
//
// A name of which nothing is given does not exist (so does one that was only given nxdomain); other
// types of a given name have no data. A CNAME is followed, at most kMaxGivenAliases deep; a loop is
// SERVFAIL. Nothing is cached.
//
// Threads: add() before the first query; query() then from any thread.
#pragma once
#include <atomic>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "backends/dns_resolver.h"
#include "base/result.h"

namespace sluice::backends {

inline constexpr int kMaxGivenAliases = 8;

class GivenDns final : public DnsResolver {
 public:
  // key: "NAME TYPE". Given twice, the later counts. Error{Config}: unknown type, or a value that
  // is none of that type.
  Result<void> add(std::string_view key, const std::vector<std::string>& values);

  void query(const std::string& name, DnsType type, TimePoint deadline, DnsDone done) override;

  std::size_t queries() const { return queries_; }  // asked since it was made

 private:
  DnsAnswer answer(const std::string& name, DnsType type) const;

  std::map<std::string, std::map<DnsType, DnsAnswer>, std::less<>> names_;
  std::atomic<std::size_t> queries_{0};
};

}  // namespace sluice::backends
