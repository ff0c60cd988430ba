// WireSession: one milter connection as a state machine: frames in, session events out, answers as
// bytes. Without sockets, threads or clocks of its own; the reactor feeds it and waits for it.
//
// Where the protocol has an order, a frame out of order ends the connection, and so does a malformed
// one: an honest MTA sends neither, and one that waits for an answer learns at once
// (docs/decisions/0007 and the record of the wire engine say where libmilter is laxer). A refusal at
// DATA is answered at DATA; a further RCPT of the same transaction is answered too.
//
// Threads: one at a time.
#pragma once
#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "engine/session.h"
#include "mail/verdict.h"
#include "milter/agreement.h"
#include "milter/frame.h"
#include "milter/front_end.h"
#include "milter/session_macros.h"

namespace sluice::milter::wire {

// What all connections of an engine share; outlives them.
struct Shared {
  SessionSource* source = nullptr;
  engine::Resources resources;
  bool failure_accepts = false;  // what an internal error answers: continue, else a 4yz
  std::uint32_t silent = kSilentByDefault;  // no-reply flags to ask for
  std::atomic<std::size_t> open{0};         // sessions that have negotiated
  std::atomic<std::uint64_t> served{0}, broken{0};  // broken: ended for what the peer sent
};

class WireSession {
 public:
  explicit WireSession(Shared& shared) : shared_(shared) {}
  ~WireSession();
  WireSession(const WireSession&) = delete;
  WireSession& operator=(const WireSession&) = delete;

  enum class Next : std::uint8_t {
    Frame,  // answered, or nothing to answer
    Park,   // look-ups are open: wait for round(), until deadline(), then resume()
    Delay,  // wait for delay(), then say_delayed()
    Close,  // what was written goes out, then the connection ends
  };
  // Takes one frame; answers are appended to `out`. Not while parked or delayed.
  Next take(const Frame& frame, std::string& out);
  Next resume(bool deadline_passed, std::string& out);
  Next say_delayed(std::string& out);
  // While parked at the end of a message: asks the MTA for patience.
  bool may_ask_for_patience() const;
  void ask_for_patience(std::string& out) const;

  engine::Round& round() { return session_->round(); }
  TimePoint deadline() const { return session_->deadline(); }
  Duration delay() const { return delayed_ ? delayed_->delay : Duration{0}; }
  bool is_negotiated() const { return session_ != nullptr; }
  // Nothing of a message is under way: closing now loses nothing.
  bool is_between_messages() const;
  std::size_t max_frame() const { return agreement_.max_frame; }
  const Agreement& agreement() const { return agreement_; }

 private:
  enum class Position : std::uint8_t {
    Fresh, Negotiated, Connected, Greeted, Mail, Rcpt, Data, Headers, EndOfHeaders, Body, Same,
  };
  enum class Taken : std::uint8_t { Malformed, Quiet, Passed, Paused, Asked, Left };
  struct Rule;
  static const Rule* rule_of(char command);
  static constexpr std::uint16_t bit(Position p) {
    return static_cast<std::uint16_t>(1u << static_cast<unsigned>(p));
  }

  Next dispatch(const Frame& frame, std::string& out);
  bool is_in_order(const Rule& rule) const;
  Next settle(engine::Progress& progress, std::string& out);
  Next say(const mail::Verdict& verdict, std::string& out);
  Next fail(std::string& out);
  Next broken();
  void go_on(bool is_refused);
  bool begin_session();
  void end_session();
  void forget_message();
  std::string bounded(std::string_view text) const;
  std::vector<std::string> parameters(const Arguments& arguments) const;
  int header_count(std::string_view name) const;

  Taken negotiate(std::string_view body, engine::Progress& progress, std::string& out);
  Taken macros(std::string_view body, engine::Progress& progress, std::string& out);
  Taken connect(std::string_view body, engine::Progress& progress, std::string& out);
  Taken helo(std::string_view body, engine::Progress& progress, std::string& out);
  Taken mail(std::string_view body, engine::Progress& progress, std::string& out);
  Taken rcpt(std::string_view body, engine::Progress& progress, std::string& out);
  Taken data(std::string_view body, engine::Progress& progress, std::string& out);
  Taken header(std::string_view body, engine::Progress& progress, std::string& out);
  Taken end_of_headers(std::string_view body, engine::Progress& progress, std::string& out);
  Taken body(std::string_view chunk, engine::Progress& progress, std::string& out);
  Taken end_of_body(std::string_view chunk, engine::Progress& progress, std::string& out);
  Taken unknown(std::string_view body, engine::Progress& progress, std::string& out);
  Taken abort(std::string_view body, engine::Progress& progress, std::string& out);
  Taken quit(std::string_view body, engine::Progress& progress, std::string& out);
  Taken quit_for_new(std::string_view body, engine::Progress& progress, std::string& out);

  Shared& shared_;
  std::unique_ptr<engine::Session> session_;
  Agreement agreement_;
  SessionMacros macros_;
  const Rule* pending_ = nullptr;  // whose answer is due
  std::unique_ptr<mail::Verdict> delayed_;
  // Of the message at hand, by the folded name's hash; kept when a rule removes fields.
  std::unique_ptr<std::unordered_map<std::uint64_t, int>> header_counts_;
  Position position_ = Position::Fresh;
  bool removes_headers_ = false;
};

}  // namespace sluice::milter::wire
