// empty_libmilter - a filter on libmilter that does nothing, the measure that Sluice is compared
// with.
//
//   empty_libmilter SOCKET [few|all|keep]
//
// SOCKET is a libmilter connection text (unix:PATH, inet:PORT@HOST). `few` (the default) takes only
// connect, helo, mail, rcpt and the end of the message; `all` takes every step, as a filter that
// never thought about it; `keep` takes the header and the body as well, with no reply until the
// end, and keeps the body until then, as a filter does that looks at content. Every answer is
// "continue". Ends with SIGTERM.
#include <libmilter/mfapi.h>

#include <cstdio>
#include <string>

namespace {

constexpr int kBacklog = 1024;  // libmilter's own 20 would measure the backlog and not the filter

sfsistat on_connect(SMFICTX*, char*, _SOCK_ADDR*) { return SMFIS_CONTINUE; }
sfsistat on_text(SMFICTX*, char*) { return SMFIS_CONTINUE; }
sfsistat on_arguments(SMFICTX*, char**) { return SMFIS_CONTINUE; }
sfsistat on_header(SMFICTX*, char*, char*) { return SMFIS_CONTINUE; }
sfsistat on_body(SMFICTX*, unsigned char*, size_t) { return SMFIS_CONTINUE; }
sfsistat on_event(SMFICTX*) { return SMFIS_CONTINUE; }
sfsistat on_unknown(SMFICTX*, const char*) { return SMFIS_CONTINUE; }

// --- keep ---

std::string& kept(SMFICTX* context) {
  if (smfi_getpriv(context) == nullptr) smfi_setpriv(context, new std::string);
  return *static_cast<std::string*>(smfi_getpriv(context));
}
sfsistat keep_negotiate(SMFICTX*, unsigned long, unsigned long offered, unsigned long,
                        unsigned long, unsigned long* actions, unsigned long* steps, unsigned long*,
                        unsigned long*) {
  *actions = 0;
  *steps = offered & (SMFIP_NODATA | SMFIP_NOUNKNOWN | SMFIP_NR_HDR | SMFIP_NR_BODY);
  return SMFIS_CONTINUE;
}
sfsistat keep_body(SMFICTX* context, unsigned char* bytes, size_t size) {
  kept(context).append(reinterpret_cast<const char*>(bytes), size);
  return SMFIS_CONTINUE;
}
sfsistat keep_end(SMFICTX* context) {
  kept(context).clear();
  return SMFIS_CONTINUE;
}
sfsistat keep_close(SMFICTX* context) {
  delete static_cast<std::string*>(smfi_getpriv(context));
  smfi_setpriv(context, nullptr);
  return SMFIS_CONTINUE;
}

enum class Steps { Few, All, Keep };

smfiDesc describe(Steps steps) {
  static char name[] = "empty";
  smfiDesc filter{};
  filter.xxfi_name = name;
  filter.xxfi_version = SMFI_VERSION;
  filter.xxfi_connect = on_connect;
  filter.xxfi_helo = on_text;
  filter.xxfi_envfrom = on_arguments;
  filter.xxfi_envrcpt = on_arguments;
  filter.xxfi_eom = on_event;
  if (steps == Steps::Few) return filter;
  if (steps == Steps::Keep) {
    filter.xxfi_negotiate = keep_negotiate;
    filter.xxfi_header = on_header;
    filter.xxfi_eoh = on_event;
    filter.xxfi_body = keep_body;
    filter.xxfi_eom = keep_end;
    filter.xxfi_abort = keep_end;
    filter.xxfi_close = keep_close;
    return filter;
  }
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
  const std::string word = argc == 3 ? argv[2] : "few";
  if (argc < 2 || argc > 3 || (word != "few" && word != "all" && word != "keep")) {
    std::fputs("usage: empty_libmilter SOCKET [few|all|keep]\n", stderr);
    return 64;
  }
  const Steps steps = word == "all" ? Steps::All : word == "keep" ? Steps::Keep : Steps::Few;
  if (smfi_setconn(argv[1]) != MI_SUCCESS || smfi_register(describe(steps)) != MI_SUCCESS ||
      smfi_setbacklog(kBacklog) != MI_SUCCESS || smfi_opensocket(true) != MI_SUCCESS) {
    std::fprintf(stderr, "empty_libmilter: cannot listen on %s\n", argv[1]);
    return 69;
  }
  return smfi_main() == MI_SUCCESS ? 0 : 70;
}
