// Result<T>: a value or the Error that kept us from it. The only file that names the library behind it.
// Absence is std::optional, not an Error; an answer of a protocol (NXDOMAIN, SPF permerror) is a value.
#pragma once
#include <string>
#include <tl/expected.hpp>

namespace sluice {

enum class Cause {
  Temporary,  // a backend is away or slow: the same call may go through later
  Permanent,  // it will fail again the same way
  Config,     // the administrator has to change a file
};

struct Error {
  Cause cause = Cause::Permanent;
  std::string what;  // one line for a person, without a final stop
};

template <class T>
using Result = tl::expected<T, Error>;

inline tl::unexpected<Error> temporary(std::string what) {
  return tl::unexpected<Error>(Error{Cause::Temporary, std::move(what)});
}
inline tl::unexpected<Error> permanent(std::string what) {
  return tl::unexpected<Error>(Error{Cause::Permanent, std::move(what)});
}
inline tl::unexpected<Error> config_error(std::string what) {
  return tl::unexpected<Error>(Error{Cause::Config, std::move(what)});
}

}  // namespace sluice
