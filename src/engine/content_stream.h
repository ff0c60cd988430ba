// ContentStream: who reads a message while it comes (body hashes, a virus scanner), so that the
// session need not keep the body for it. One object serves all messages of its session, one after
// the other.
//
// Threads: the session's. The session calls it only when the program needs the body; FactTable owns
// the streams and names them in streams().
#pragma once
#include <functional>
#include <string_view>

#include "base/clock.h"

namespace sluice::engine {

struct SessionFacts;

class ContentStream {
 public:
  // The header is complete (known.message->headers, capped by Resources), recipients and sender are
  // known; the body follows. Called before the rules of stage headers run.
  virtual void begin(const SessionFacts& known, TimePoint now) = 0;
  // As the MTA sent it, in pieces of any size: a line end may be cut in two.
  virtual void body(std::string_view chunk) = 0;
  // The final dot; after it the facts ask.
  virtual void end() = 0;
  // The message is over, or will not come. Also called when none has begun.
  virtual void drop() = 0;

  // Back-pressure. True: it holds as much as it may, and runs `wake` once, on any thread, when
  // there is room again. More that comes before that is more than it keeps: its facts become
  // unknown.
  virtual bool await_room(std::function<void()> /*wake*/) { return false; }

 protected:
  ~ContentStream() = default;
};

}  // namespace sluice::engine
