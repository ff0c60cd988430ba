#include "backends/mail_hosts.h"

#include <algorithm>
#include <memory>
#include <mutex>
#include <random>
#include <utility>

namespace sluice::backends {
namespace {

using Done = std::function<void(MailHosts)>;

// The addresses of all hosts, asked together; answers come from any thread, or at once.
class AddressSearch : public std::enable_shared_from_this<AddressSearch> {
 public:
  AddressSearch(std::vector<std::string> hosts, bool is_mx, Done done)
      : hosts_(std::move(hosts)), is_mx_(is_mx), done_(std::move(done)) {
    answers_.resize(hosts_.size() * 2);
    open_ = answers_.size();
  }

  void ask(DnsResolver& resolver, TimePoint deadline) {
    for (std::size_t i = 0; i < answers_.size(); ++i) {
      const DnsType type = i % 2 == 0 ? DnsType::A : DnsType::Aaaa;
      resolver.query(hosts_[i / 2], type, deadline,
                     [self = shared_from_this(), i](const DnsAnswer& a) { self->take(i, a); });
    }
  }

 private:
  void take(std::size_t i, const DnsAnswer& answer) {
    {
      const std::lock_guard lock(mutex_);
      answers_[i] = answer;
      if (--open_ > 0) return;
    }
    done_(result());
  }

  // IPv4 and IPv6 of one host in turn.
  void add_host(std::size_t host, MailHosts& hosts) const {
    const auto& v4 = answers_[host * 2].records;
    const auto& v6 = answers_[host * 2 + 1].records;
    std::size_t added = 0;
    for (std::size_t i = 0; i < std::max(v4.size(), v6.size()); ++i) {
      for (const auto* records : {&v4, &v6}) {
        if (i >= records->size() || added == kMaxAddressesOfHost) continue;
        hosts.addresses.push_back((*records)[i].address);
        ++added;
      }
    }
  }

  MailHosts result() const {
    MailHosts hosts;
    for (std::size_t i = 0; i < hosts_.size(); ++i) add_host(i, hosts);
    const auto failed = std::find_if(answers_.begin(), answers_.end(),
                                     [](const DnsAnswer& a) { return !is_answer(a.status); });
    const bool is_nowhere =
        !is_mx_ && std::all_of(answers_.begin(), answers_.end(),
                               [](const DnsAnswer& a) { return a.status == DnsStatus::NxDomain; });
    if (!hosts.addresses.empty()) {
      hosts.found = MailHosts::Found::Hosts;
    } else if (failed != answers_.end()) {
      hosts.failure = failed->status;
    } else {
      hosts.found = is_nowhere ? MailHosts::Found::NoDomain : MailHosts::Found::NoHost;
    }
    return hosts;
  }

  const std::vector<std::string> hosts_;
  const bool is_mx_;
  const Done done_;
  std::mutex mutex_;
  std::vector<DnsAnswer> answers_;  // A and AAAA of each host
  std::size_t open_ = 0;
};

// The best hosts; equal ones in random order, which spreads the load (RFC 5321 5.1).
std::vector<std::string> best_hosts(std::vector<DnsRecord> records) {
  records.erase(std::remove_if(records.begin(), records.end(),
                               [](const DnsRecord& r) { return r.text.empty(); }),
                records.end());
  thread_local std::minstd_rand random{std::random_device{}()};
  std::shuffle(records.begin(), records.end(), random);
  std::stable_sort(records.begin(), records.end(), [](const DnsRecord& a, const DnsRecord& b) {
    return a.preference < b.preference;
  });
  std::vector<std::string> hosts;
  for (const DnsRecord& record : records) {
    if (hosts.size() == kMaxMailHosts) break;
    if (std::find(hosts.begin(), hosts.end(), record.text) == hosts.end())
      hosts.push_back(record.text);
  }
  return hosts;
}

void search_addresses(DnsResolver& resolver, std::vector<std::string> hosts, bool is_mx,
                      TimePoint deadline, Done done) {
  std::make_shared<AddressSearch>(std::move(hosts), is_mx, std::move(done))
      ->ask(resolver, deadline);
}

}  // namespace

void find_mail_hosts(DnsResolver& resolver, const std::string& domain, TimePoint deadline,
                     Done done) {
  resolver.query(domain, DnsType::Mx, deadline,
                 [&resolver, domain, deadline, done = std::move(done)](const DnsAnswer& mx) {
                   MailHosts hosts;
                   switch (mx.status) {
                     case DnsStatus::NxDomain:
                       hosts.found = MailHosts::Found::NoDomain;
                       return done(std::move(hosts));
                     case DnsStatus::NoData:
                       return search_addresses(resolver, {domain}, false, deadline, done);
                     case DnsStatus::Ok: {
                       auto best = best_hosts(mx.records);
                       if (!best.empty())
                         return search_addresses(resolver, std::move(best), true, deadline, done);
                       hosts.found = MailHosts::Found::NullMx;
                       return done(std::move(hosts));
                     }
                     case DnsStatus::ServFail:
                     case DnsStatus::Timeout:
                     case DnsStatus::Budget:
                     case DnsStatus::Breaker:
                       hosts.failure = mx.status;
                       return done(std::move(hosts));
                   }
                 });
}

}  // namespace sluice::backends
