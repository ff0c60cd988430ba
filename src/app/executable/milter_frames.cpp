// mi_rd_cmd: reads one frame of the MTA for libmilter, and here repairs the three that
// libmilter 1.0.1 cannot take without leaving its own memory:
// - macros with a name that has no value (an odd count of NULs): smfi_getsymval() walks past the
// end of its
//   list, and one such frame from anybody who may connect ends the process;
// - an unknown command without its NUL: the callback gets a text without an end;
// - a connect without any NUL: one byte behind the frame is read.
// They get the NUL that is missing (tests/wire holds each of them). libmilter calls mi_rd_cmd
// through its symbol table, so this definition comes first. No MTA sends such frames. Were the
// function renamed in a later libmilter, this one would not be called.
#include <dlfcn.h>
#include <sys/time.h>

#include <algorithm>
#include <cstddef>
#include <cstdlib>

extern "C" char* mi_rd_cmd(int fd, timeval* timeout, char* command, std::size_t* length,
                           char* name);

namespace {

bool lacks_a_nul(char command, const char* body, std::size_t length) {
  constexpr char kConnect = 'C', kMacro = 'D', kUnknown = 'U';
  const auto nuls = std::count(body, body + length, '\0');
  if (command == kMacro) return nuls % 2 != 0;
  if (command == kConnect) return nuls == 0;
  return command == kUnknown && (length == 0 || body[length - 1] != '\0');
}

}  // namespace

char* mi_rd_cmd(int fd, timeval* timeout, char* command, std::size_t* length, char* name) {
  static const auto read = reinterpret_cast<decltype(&mi_rd_cmd)>(::dlsym(RTLD_NEXT, "mi_rd_cmd"));
  char* body = read(fd, timeout, command, length, name);
  // Body chunks are the bulk of what comes, and nothing is wrong with them.
  if (body == nullptr || *command == 'B' || !lacks_a_nul(*command, body, *length)) return body;
  if (char* whole = static_cast<char*>(std::realloc(body, *length + 1)); whole != nullptr) {
    whole[(*length)++] = '\0';
    return whole;
  }
  std::free(body);  // a frame without a body: libmilter ends the connection
  *length = 0;
  return nullptr;
}
