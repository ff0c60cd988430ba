// empty_libmilter - a filter on libmilter that does nothing, the measure that Sluice is compared
// with.
//
//   empty_libmilter SOCKET [few|all]
//
// SOCKET is a libmilter connection text (unix:PATH, inet:PORT@HOST). `few` (the default) takes only
// connect, helo, mail, rcpt and the end of the message; `all` takes every step, as a filter that
// never thought about it. Every answer is "continue". Ends with SIGTERM.
#include <libmilter/mfapi.h>

#include <cstdio>
#include <cstring>

namespace {

constexpr int kBacklog = 1024;  // libmilter's own 20 would measure the backlog and not the filter

sfsistat on_connect(SMFICTX*, char*, _SOCK_ADDR*) { return SMFIS_CONTINUE; }
sfsistat on_text(SMFICTX*, char*) { return SMFIS_CONTINUE; }
sfsistat on_arguments(SMFICTX*, char**) { return SMFIS_CONTINUE; }
sfsistat on_header(SMFICTX*, char*, char*) { return SMFIS_CONTINUE; }
sfsistat on_body(SMFICTX*, unsigned char*, size_t) { return SMFIS_CONTINUE; }
sfsistat on_event(SMFICTX*) { return SMFIS_CONTINUE; }
sfsistat on_unknown(SMFICTX*, const char*) { return SMFIS_CONTINUE; }

smfiDesc describe(bool all_steps) {
  static char name[] = "empty";
  smfiDesc filter{};
  filter.xxfi_name = name;
  filter.xxfi_version = SMFI_VERSION;
  filter.xxfi_connect = on_connect;
  filter.xxfi_helo = on_text;
  filter.xxfi_envfrom = on_arguments;
  filter.xxfi_envrcpt = on_arguments;
  filter.xxfi_eom = on_event;
  if (!all_steps) return filter;
  filter.xxfi_header = on_header;
  filter.xxfi_eoh = on_event;
  filter.xxfi_body = on_body;
  filter.xxfi_abort = on_event;
  filter.xxfi_close = on_event;
  filter.xxfi_unknown = on_unknown;
  filter.xxfi_data = on_event;
  return filter;
}

}  // namespace

int main(int argc, char** argv) {
  const bool all_steps = argc == 3 && std::strcmp(argv[2], "all") == 0;
  if (argc < 2 || argc > 3 || (argc == 3 && !all_steps && std::strcmp(argv[2], "few") != 0)) {
    std::fputs("usage: empty_libmilter SOCKET [few|all]\n", stderr);
    return 64;
  }
  if (smfi_setconn(argv[1]) != MI_SUCCESS || smfi_register(describe(all_steps)) != MI_SUCCESS ||
      smfi_setbacklog(kBacklog) != MI_SUCCESS || smfi_opensocket(true) != MI_SUCCESS) {
    std::fprintf(stderr, "empty_libmilter: cannot listen on %s\n", argv[1]);
    return 69;
  }
  return smfi_main() == MI_SUCCESS ? 0 : 70;
}
