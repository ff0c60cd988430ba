// The reference front end, on Debian's libmilter. libmilter is one per process, so there can be one
// adapter.
//
// What it does because of how libmilter and the MTAs behave:
// - verdicts of connect and helo are not said there, where the MTAs would drop or change their
// text: the session repeats
//   them at MAIL. `disconnect` is said at once.
// - a refusal at DATA is said at the end of the headers: after a refused DATA libmilter never
// answers a further RCPT, and
//   the client would hang until the MTA's timeout. The client sees the refusal after its dot.
// - 421 goes out with TEMPFAIL (else it does not close), ACCEPT is never used (it would let later
// recipients through).
// - callbacks of one session come from several threads, one after the other: nothing here is
// thread-local.
#pragma once
#include <memory>

#include "milter/front_end.h"

namespace sluice::milter {

struct LibmilterOptions {
  bool failure_accepts =
      false;  // `failure: accept`: an internal error lets the mail pass, else it is deferred
};

Result<std::unique_ptr<FrontEnd>> make_libmilter_front_end(LibmilterOptions options);

}  // namespace sluice::milter
