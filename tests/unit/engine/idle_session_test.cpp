// What a session holds while its client does nothing, as most sessions of a busy host do.
#include <malloc.h>

#include "engine_fixture.h"

using namespace sluice::engine;

namespace {

constexpr std::size_t kSessions = 500;
constexpr std::size_t kMost = 2'048;  // bytes, with the events of two early stages

// Rules of the first stages: their events are kept, because they are decided again at RCPT; most
// policies have none and need half a kilobyte less.
constexpr const char* kRules = R"(
rules:
  - rule: from-there
    stage: connect
    when: client.ip in ["203.0.113.77"]
    then: reject 554
  - rule: dynamic
    stage: helo
    when: helo.name ends_with ".dyn.example"
    then: reject 550 5.7.1
  - limit: per-client
    stage: rcpt
    key: client.ip
    count: messages
    max: 100/1h
)";

std::size_t bytes_in_use() { return ::mallinfo2().uordblks; }

std::unique_ptr<Session> idle_session(Filter& filter) {
  auto session = std::make_unique<Session>(filter.services, filter.program);
  sluice::mail::Connection connection;
  connection.client_ip = sluice::IpAddress::parse("203.0.113.9");
  connection.client_name = "mail-out-17.far.example";
  connection.client_ptr = "mail-out-17.far.example";
  connection.server_name = "mx.site.example";
  session->connect(std::move(connection));
  session->helo("mail-out-17.far.example", {});
  return session;
}

void send_a_message(Session& session) {
  sluice::mail::Envelope envelope;
  envelope.sender_path = "<a.sender.of.mail@far.example>";
  session.mail_from(std::move(envelope), {});
  sluice::mail::Recipient recipient;
  recipient.path = "<somebody@site.example>";
  session.rcpt_to(std::move(recipient), "4bXyZ12345");
  session.end_of_message("4bXyZ12345");
}

}  // namespace

TEST_CASE("session: one that is idle after HELO holds little, also after a message") {
  Filter filter(kRules);
  filter.services.sink = nullptr;
  std::vector<std::unique_ptr<Session>> sessions;
  sessions.reserve(kSessions);
  send_a_message(*idle_session(filter));  // what is made once is there
  const std::size_t before = bytes_in_use();
  for (std::size_t i = 0; i < kSessions; ++i) sessions.push_back(idle_session(filter));
  const std::size_t after_helo = (bytes_in_use() - before) / kSessions;
  if (before == 0 || after_helo == 0) {
    WARN("this allocator does not tell what is in use: not measured");
    return;
  }
  CHECK(after_helo <= kMost);
  const std::size_t idle = bytes_in_use();
  send_a_message(*sessions.front());
  const std::size_t kept = bytes_in_use() - idle;
  CHECK(kept <= kMost);
}
