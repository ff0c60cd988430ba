// SmtpClient: one SMTP session that asks a server whether it would take mail for an address, and
// sends none: EHLO (or HELO), MAIL, RCPT, then RSET and QUIT (RFC 5321). Nothing is ever sent
// beyond RCPT.
//
// The server is a stranger. A session has one length (Options::timeout), whatever drips in; reads
// at most kMaxSessionBytes; sends the next command only after the reply to the last.
//
// Threads: the loop's own thread only.
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "backends/event_loop.h"
#include "backends/smtp_reply.h"
#include "backends/stream.h"

namespace sluice::backends {

inline constexpr std::size_t kMaxSessionBytes = 64 * 1024;  // that a server may say
inline constexpr Duration kFarewell{2'000};                 // for RSET and QUIT together

// Addresses are paths with their angle brackets.
struct SmtpQuestion {
  Endpoint server;
  std::string helo;         // our name
  std::string from = "<>";  // MAIL FROM
  std::string to;           // RCPT TO; octets outside ASCII need SMTPUTF8 (RFC 6531)
};

// How far a session came: what the server was asked last.
enum class SmtpPhase : std::uint8_t { Connect, Greeting, Helo, Mail, Rcpt };
std::string_view smtp_phase_name(SmtpPhase phase);

enum class SmtpEnd : std::uint8_t {
  Replied,       // `reply` answers the phase; of the phases before Rcpt only what ended the session
  NotConnected,  // nobody listens, no route, no connection in time
  Silent,        // no (complete) reply in time
  Dropped,       // the server closed or reset the connection instead of a reply
  Malformed,     // what it said is no SMTP, or too much
  Unsayable,     // the address cannot be said here: it needs SMTPUTF8, or has control characters
};

struct SmtpOutcome {
  SmtpPhase phase = SmtpPhase::Connect;
  SmtpEnd end = SmtpEnd::NotConnected;
  SmtpReply reply;  // with Replied
};

class SmtpClient {
 public:
  struct Options {
    Duration connect_timeout{5'000};
    Duration timeout{30'000};  // of the whole session up to the answer
  };
  struct Events {
    std::function<void(const SmtpOutcome&)> answered;  // once
    // Once, after `answered`: the connection is closed. The client may be destroyed in it.
    std::function<void()> closed;
  };

  // No event is told before this has returned.
  SmtpClient(EventLoop& loop, SmtpQuestion question, const Options& options, Events events);
  ~SmtpClient();  // closes; tells nothing
  SmtpClient(const SmtpClient&) = delete;
  SmtpClient& operator=(const SmtpClient&) = delete;

 private:
  enum class Step : std::uint8_t { Connect, Greeting, Ehlo, Helo, Mail, Rcpt, Reset, Quit };

  void received(std::string_view bytes);
  void replied(const SmtpReply& reply);
  void introduced(const SmtpReply& reply);
  void say(Step step, const std::string& command);
  void answer(SmtpEnd end, SmtpReply reply = {});
  void part(const SmtpReply& reply);
  void ended(StreamEnd how);
  void close();
  SmtpPhase phase() const;

  EventLoop& loop_;
  const SmtpQuestion question_;
  Events events_;
  SmtpReplyParser parser_;
  std::unique_ptr<Stream> stream_;
  EventLoop::TimerId timer_ = 0;
  Step step_ = Step::Connect;
  std::size_t received_ = 0;
  bool is_answered_ = false, is_closed_ = false;
};

}  // namespace sluice::backends
