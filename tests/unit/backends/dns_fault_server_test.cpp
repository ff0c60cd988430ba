#include "dns_fault_server.h"

#include <arpa/inet.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <stdexcept>
#include <vector>

namespace sluice::backends {

namespace {

constexpr std::size_t kHeader = 12;

std::string be16(unsigned v) {
  return {static_cast<char>(v >> 8 & 0xff), static_cast<char>(v & 0xff)};
}
std::string be32(unsigned v) { return be16(v >> 16) + be16(v & 0xffff); }

std::string wire_name(std::string_view name) {
  std::string out;
  while (!name.empty()) {
    const std::string_view label = name.substr(0, name.find('.'));
    out += static_cast<char>(label.size());
    out += label;
    name.remove_prefix(std::min(name.size(), label.size() + 1));
  }
  return out + std::string(1, '\0');
}

std::string record(const std::string& owner, unsigned type, unsigned ttl,
                   const std::string& rdata) {
  return owner + be16(type) + be16(1) + be32(ttl) + be16(static_cast<unsigned>(rdata.size())) +
         rdata;
}

struct Query {
  std::string id, question, name, first_label;  // question: wire name, type, class
  bool edns = false, ad = false;
};

Query parse_query(const std::string& bytes) {
  Query q;
  q.id = bytes.substr(0, 2);
  q.ad = (static_cast<unsigned char>(bytes[3]) & 0x20) != 0;
  q.edns = bytes[11] == 1;
  std::size_t at = kHeader;
  while (at < bytes.size() && bytes[at] != 0) {
    const auto length = static_cast<std::size_t>(bytes[at]);
    q.name += (q.name.empty() ? "" : ".") + bytes.substr(at + 1, length);
    at += length + 1;
  }
  q.question = bytes.substr(kHeader, at + 5 - kHeader);
  q.first_label = q.name.substr(0, q.name.find('.'));
  return q;
}

struct Sections {
  unsigned flags = 0x8180;
  std::vector<std::string> answers, authorities;
};

std::string message(const Query& q, const Sections& s) {
  std::string out = q.id + be16(s.flags) + be16(1) + be16(static_cast<unsigned>(s.answers.size())) +
                    be16(static_cast<unsigned>(s.authorities.size())) + be16(0) + q.question;
  for (const auto& r : s.answers) out += r;
  for (const auto& r : s.authorities) out += r;
  return out;
}

const std::string kOwner = "\xc0\x0c";  // the name of the question
std::string address_record(unsigned ttl) {
  return record(kOwner, 1, ttl, std::string("\xc0\x00\x02\x01", 4));
}
std::string soa() {
  return record(
      kOwner, 6, 300,
      wire_name("ns.x") + wire_name("admin.x") + be32(1) + be32(2) + be32(3) + be32(4) + be32(300));
}

Sections rcode(unsigned code) { return {.flags = 0x8180 | code, .answers = {}, .authorities = {}}; }
Sections negative(unsigned code) {
  return {.flags = 0x8180 | code, .answers = {}, .authorities = {soa()}};
}
Sections answers(std::vector<std::string> records) {
  return {.flags = 0x8180, .answers = std::move(records), .authorities = {}};
}

std::vector<std::string> sixty_texts() {
  std::vector<std::string> out;
  for (char i = 0; i < 60; ++i)
    out.push_back(
        record(kOwner, 16, 60, std::string(1, 50) + std::string(50, static_cast<char>('!' + i))));
  return out;
}

Sections sections_of(const Query& q, bool tcp) {
  const std::string& fault = q.first_label;
  if (fault == "servfail") return rcode(2);
  if (fault == "refused") return rcode(5);
  if (fault == "notimp") return rcode(4);
  if (fault == "formerr" || (fault == "noedns" && q.edns)) return rcode(1);
  if (fault == "nx") return negative(3);
  if (fault == "nodata") return negative(0);
  if (fault == "nosoa") return rcode(3);
  if (fault == "ttl0") return answers({address_record(0)});
  if ((fault == "trunc" || fault == "big") && !tcp) return rcode(0x0200);
  if (fault == "big") return answers(sixty_texts());
  if (fault == "loop") return answers({record(kOwner, 5, 60, kOwner)});
  if (fault == "garbage") return answers({record(kOwner, 1, 60, "\xc0")});
  if (fault == "alias") {
    return answers({record(kOwner, 5, 60, wire_name("d0.x")),
                    record(wire_name("d0.x"), 1, 60, std::string("\xc0\x00\x02\x02", 4))});
  }
  return answers({address_record(60)});
}

sockaddr_in loopback(std::uint16_t port) {
  sockaddr_in a{};
  a.sin_family = AF_INET;
  a.sin_port = htons(port);
  a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return a;
}

bool bind_to(int fd, std::uint16_t port) {
  const sockaddr_in a = loopback(port);
  return bind(fd, reinterpret_cast<const sockaddr*>(&a), sizeof a) == 0;
}

}  // namespace

DnsFaultServer::DnsFaultServer(std::string fault_for_all)
    : fault_for_all_(std::move(fault_for_all)) {
  // A port that is free for both; TCP may hold the number that UDP was given.
  for (int attempt = 0; attempt < 50 && port_ == 0; ++attempt) {
    udp_ = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    tcp_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in bound{};
    socklen_t length = sizeof bound;
    if (bind_to(udp_, 0) &&
        getsockname(udp_, reinterpret_cast<sockaddr*>(&bound), &length) == 0 &&
        bind_to(tcp_, ntohs(bound.sin_port)) && listen(tcp_, 16) == 0) {
      port_ = ntohs(bound.sin_port);
    } else {
      close(udp_);
      close(tcp_);
    }
  }
  if (port_ == 0 || pipe(stop_) != 0) throw std::runtime_error("no free port");
  thread_ = std::thread([this] { run(); });
}

DnsFaultServer::~DnsFaultServer() {
  close(stop_[1]);
  thread_.join();
  for (const int fd : {udp_, tcp_, stop_[0]}) close(fd);
}

int DnsFaultServer::queries(const std::string& name) const {
  const std::lock_guard lock(mutex_);
  const auto at = queries_.find(name);
  return at == queries_.end() ? 0 : at->second;
}
int DnsFaultServer::tcp_queries() const {
  const std::lock_guard lock(mutex_);
  return tcp_queries_;
}
bool DnsFaultServer::last_query_had_ad_and_edns() const {
  const std::lock_guard lock(mutex_);
  return ad_and_edns_;
}

void DnsFaultServer::run() {
  for (;;) {
    int wait = 1000;
    if (!delayed_.empty()) {
      const auto left = std::chrono::ceil<std::chrono::milliseconds>(
          delayed_.begin()->first - std::chrono::steady_clock::now());
      wait = static_cast<int>(std::max<std::int64_t>(0, left.count()));
    }
    pollfd fds[3] = {{stop_[0], POLLIN, 0}, {udp_, POLLIN, 0}, {tcp_, POLLIN, 0}};
    poll(fds, 3, wait);
    if (fds[0].revents != 0) return;
    if (fds[1].revents != 0) take_udp();
    if (fds[2].revents != 0) take_tcp();
    send_due();
  }
}

void DnsFaultServer::take_udp() {
  char buffer[4096];
  Delayed d{};
  socklen_t length = sizeof d.to;
  const auto got =
      recvfrom(udp_, buffer, sizeof buffer, 0, reinterpret_cast<sockaddr*>(&d.to), &length);
  if (got < static_cast<ssize_t>(kHeader)) return;
  int delay_ms = 0;
  d.bytes = reply_to(std::string(buffer, static_cast<std::size_t>(got)), false, delay_ms);
  if (!d.bytes.empty())
    delayed_.emplace(std::chrono::steady_clock::now() + std::chrono::milliseconds(delay_ms),
                     std::move(d));
}

void DnsFaultServer::take_tcp() {
  const int peer = accept4(tcp_, nullptr, nullptr, SOCK_CLOEXEC);
  char buffer[4096];
  const auto got = recv(peer, buffer, sizeof buffer, 0);
  if (got > static_cast<ssize_t>(kHeader + 2)) {
    int ignored = 0;
    const std::string reply =
        reply_to(std::string(buffer + 2, static_cast<std::size_t>(got) - 2), true, ignored);
    const std::string framed = be16(static_cast<unsigned>(reply.size())) + reply;
    send(peer, framed.data(), framed.size(), MSG_NOSIGNAL);
  }
  close(peer);
}

void DnsFaultServer::send_due() {
  const auto now = std::chrono::steady_clock::now();
  while (!delayed_.empty() && delayed_.begin()->first <= now) {
    const Delayed& d = delayed_.begin()->second;
    sendto(udp_, d.bytes.data(), d.bytes.size(), 0, reinterpret_cast<const sockaddr*>(&d.to),
           sizeof d.to);
    delayed_.erase(delayed_.begin());
  }
}

std::string DnsFaultServer::reply_to(const std::string& query, bool tcp, int& delay_ms) {
  Query q = parse_query(query);
  {
    const std::lock_guard lock(mutex_);
    ++queries_[q.name];
    if (tcp) ++tcp_queries_;
    ad_and_edns_ = q.ad && q.edns;
  }
  if (!fault_for_all_.empty()) q.first_label = fault_for_all_;
  const std::string& fault = q.first_label;
  if (fault.size() > 1 && fault[0] == 'd' &&
      std::isdigit(static_cast<unsigned char>(fault[1])) != 0)
    delay_ms = std::stoi(fault.substr(1));
  if (fault == "drop") return "";
  if (fault == "short") return query.substr(0, 5);
  std::string reply = message(q, sections_of(q, tcp));
  if (fault == "wrongid") reply[0] = static_cast<char>(reply[0] ^ 0x55);
  if (fault == "wrongname") reply[kHeader + 1] = 'W' + 1;
  return reply;
}

}  // namespace sluice::backends
