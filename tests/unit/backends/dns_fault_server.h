// A DNS server that misbehaves as the first label of the name says, over UDP and TCP on a free
// loopback port.
//
//   d20.x        answers after 20 ms                 wrongid.x   another id, then nothing
//   drop.x       never answers                       wrongname.x another question, then nothing
//   servfail.x refused.x notimp.x formerr.x          garbage.x   right header and question, broken
//   records noedns.x     FORMERR while the query has an OPT  short.x     five bytes trunc.x      TC
//   by UDP, the answer by TCP        big.x       60 TXT records (more than UDP holds) nx.x nodata.x
//   with an SOA of 300 s              nosoa.x     NXDOMAIN without SOA alias.x      CNAME to d0.x
//   with its address      loop.x      CNAME to itself ttl0.x       an answer that is not to be kept
// Anything else has the A record 192.0.2.1, TTL 60.
#pragma once
#include <netinet/in.h>

#include <chrono>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>

namespace sluice::backends {

class DnsFaultServer {
 public:
  explicit DnsFaultServer(std::string fault_for_all = "");  // as if every name began with it
  ~DnsFaultServer();
  DnsFaultServer(const DnsFaultServer&) = delete;
  DnsFaultServer& operator=(const DnsFaultServer&) = delete;

  std::string address() const { return "127.0.0.1:" + std::to_string(port_); }
  int queries(const std::string& name) const;  // how often it was asked
  int tcp_queries() const;
  bool last_query_had_ad_and_edns() const;

 private:
  struct Delayed {
    sockaddr_in to;
    std::string bytes;
  };

  void run();
  void take_udp();
  void take_tcp();
  void send_due();
  std::string reply_to(const std::string& query, bool tcp, int& delay_ms);

  std::string fault_for_all_;
  int udp_ = -1, tcp_ = -1, stop_[2] = {-1, -1};
  std::uint16_t port_ = 0;
  std::multimap<std::chrono::steady_clock::time_point, Delayed> delayed_;
  mutable std::mutex mutex_;
  std::map<std::string, int> queries_;
  int tcp_queries_ = 0;
  bool ad_and_edns_ = false;
  std::thread thread_;
};

}  // namespace sluice::backends
