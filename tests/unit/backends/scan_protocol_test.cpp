#include "backends/scan_protocol.h"

#include <catch2/catch.hpp>

#include "backends/headed_reply.h"

using namespace sluice;
using namespace sluice::backends;

namespace {

// What the reply comes to, in pieces of `cut` bytes, with the close behind it.
Result<ScanFindings> read(const ScanProtocol& protocol, std::string_view bytes, std::size_t cut) {
  const auto reply = protocol.reply();
  for (std::size_t at = 0; at < bytes.size(); at += cut)
    if (auto outcome = reply->feed(bytes.substr(at, cut))) return *outcome;
  return reply->close();
}

std::string told(const Result<ScanFindings>& found) {
  if (!found)
    return (found.error().cause == Cause::Temporary ? "again: " : "never: ") + found.error().what;
  if (found->virus.available) return found->virus.name.value_or("clean");
  std::string text = std::to_string(found->spam.score) + " " + found->spam.action;
  for (const std::string& symbol : found->spam.symbols) text += " " + symbol;
  return text;
}

// The cut changes nothing.
std::string told(const ScanProtocol& protocol, std::string_view bytes) {
  const std::string whole = told(read(protocol, bytes, bytes.size() + 1));
  for (const std::size_t cut : {1u, 3u, 7u}) CHECK(told(read(protocol, bytes, cut)) == whole);
  return whole;
}

const auto spamd = make_spamd_protocol();
const auto rspamd = make_rspamd_protocol();
const auto clamd = make_clamd_protocol();

std::string http(const std::string& json) {
  return "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: " + std::to_string(json.size()) +
         "\r\n\r\n" + json;
}

ScanEnvelope envelope() {
  ScanEnvelope e;
  e.client_ip = "203.0.113.9";
  e.helo = "mail.far.example\r\nRcpt: evil";
  e.sender = "<ann@far.example>";
  e.recipients = {"<bob@a.test>", "<eve@a.test>"};
  return e;
}

}  // namespace

TEST_CASE("spamd: score and symbols are read from its reply") {
  CHECK(told(*spamd,
             "SPAMD/1.1 0 EX_OK\r\nContent-length: 17\r\nSpam: True ; 1000.0 / 5.0\r\n\r\n"
             "GTUBE,NO_RECEIVED") == "1000.000000  GTUBE NO_RECEIVED");
  CHECK(told(*spamd, "SPAMD/1.1 0 EX_OK\r\nSpam: False ; -1.5 / 5.0\r\n\r\n") == "-1.500000 ");
}

TEST_CASE("spamd: what is no answer is a reason to ask another") {
  for (const char* bytes :
       {"", "SPAMD", "SPAMD/1.0 76 Bad header line: (Content-Length mismatch)\r\n\r\n",
        "SPAMD/1.1 79 Timeout: (30 second timeout while trying to SYMBOLS)\r\n\r\n",
        "SPAMD/1.1 0 EX_OK\r\n\r\n", "SPAMD/1.1 0 EX_OK\r\nSpam: True ; nan / 5.0\r\n\r\n",
        "SPAMD/1.1 0 EX_OK\r\nSpam: True ; 1e999 / 5.0\r\n\r\n",
        "SPAMD/1.1 0 EX_OK\r\nSpam: True 5 / 5\r\n\r\n",
        "HTTP/1.1 200 OK\r\nSpam: True ; 1 / 5\r\n\r\n",
        "SPAMD/1.1 0 EX_OK\r\nContent-length: 20\r\nSpam: True ; 9 / 5\r\n\r\nshort"}) {
    INFO(bytes);
    CHECK(told(*spamd, bytes).substr(0, 6) == "again:");
  }
}

TEST_CASE("spamd: the request counts the Return-Path that goes before the message") {
  const std::string head = spamd->head(envelope(), 1000);
  CHECK(head ==
        "SYMBOLS SPAMC/1.5\r\nContent-length: 1032\r\n\r\nReturn-Path: <ann@far.example>\r\n");
  CHECK(spamd->head({}, 10).find("Return-Path: <>\r\n") != std::string::npos);
}

TEST_CASE("rspamd: score, action and the names of the symbols are read from its reply") {
  CHECK(told(*rspamd, http(R"({"is_skipped":false,"score":14.09,"required_score":15.0,
      "action":"add header","symbols":{"A_B":{"name":"A_B","score":3.5,"options":["x"]},"C":{"score":1}},
      "messages":{"smtp_message":"no"},"urls":[],"milter":{"remove_headers":{"X-Spam":0}}})")) ==
        "14.090000 add header A_B C");
  CHECK(told(*rspamd, http(R"({"score":-1,"action":"no action"})")) == "-1.000000 no action");
  CHECK(told(*rspamd,
             "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nb;x=y\r\n{\"score\":15\r\n"
             "1\r\n}\r\n0\r\nTrailer: x\r\n\r\n") == "15.000000 ");
}

TEST_CASE("rspamd: what is no answer is a reason to ask another") {
  const std::string deep(100'000, '[');
  for (const std::string& bytes :
       {std::string(), std::string("HTTP/1.1 500 invalid command\r\n\r\n"), http(""), http("{"),
        http("[1,2]"), http(R"({"score":"15"})"), http(R"({"action":"reject"})"),
        http(R"({"error":"no such worker","score":0})"), http(R"({"score":1} trailing)"),
        http("{\"score\":1,\"a\":\"\xff\"}"), http(R"({"score":1e9999})"),
        http("{\"score\":1,\"x\":" + deep),
        std::string("HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n"),
        std::string("HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n"),
        std::string(
            "HTTP/1.1 200 OK\r\nContent-Length: 11\r\nContent-Length: 12\r\n\r\n{\"score\":1}"),
        std::string("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n"),
        std::string("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffffff\r\n"),
        "HTTP/1.1 200 OK\r\nX: " + std::string(20'000, 'x'),
        "HTTP/1.1 200 OK\r\n" + std::string(20'000, '\n')}) {
    INFO(bytes.substr(0, 200));
    CHECK(told(read(*rspamd, bytes, bytes.size() + 1)).substr(0, 6) == "again:");
  }
}

TEST_CASE("rspamd: a reply without end is given up at the cap") {
  const auto reply = rspamd->reply();
  CHECK_FALSE(reply->feed("HTTP/1.1 200 OK\r\n\r\n").has_value());
  const std::string much(kMaxRspamdReply, 'x');
  CHECK_FALSE(reply->feed(much).has_value());
  const auto outcome = reply->feed("x");
  REQUIRE(outcome.has_value());
  CHECK(told(*outcome) == "again: rspamd's reply: the body is too long");
}

TEST_CASE("rspamd: nothing that a client said becomes a field of its own") {
  const std::string head = rspamd->head(envelope(), 7);
  CHECK(head.find("\r\nHelo: mail.far.example??Rcpt: evil\r\n") != std::string::npos);
  CHECK(head.find("\r\nRcpt: <bob@a.test>\r\nRcpt: <eve@a.test>\r\n") != std::string::npos);
  CHECK(head.find("\r\nContent-Length: 7\r\n") != std::string::npos);
  CHECK(head.find("\r\nUser:") == std::string::npos);
  ScanEnvelope many;
  many.recipients.assign(2000, "<" + std::string(4000, 'a') + "@a.test>");
  CHECK(rspamd->head(many, 7).size() < 64 * 1024);
}

TEST_CASE("clamd: found, clean, too big, and what is no answer") {
  const auto answer = [](std::string text) { return told(*clamd, text + '\0'); };
  CHECK(answer("stream: OK") == "clean");
  CHECK(answer("stream: Test.Eicar.UNOFFICIAL FOUND") == "Test.Eicar.UNOFFICIAL");
  CHECK(answer("stream: a\nb\x80 FOUND") == "a?b?");
  CHECK(answer("INSTREAM size limit exceeded. ERROR").substr(0, 6) == "never:");
  for (const char* none :
       {"", "stream: FOUND", "stream: OK ", "OK", "UNKNOWN COMMAND", "stream:  FOUND x"})
    CHECK(answer(none).substr(0, 6) == "again:");
  CHECK(told(*clamd, "stream: OK") == "again: clamd closed without an answer");
  CHECK(told(*clamd, std::string(5000, 'x')) == "again: clamd's reply is too long");
}

TEST_CASE("clamd: the message goes in pieces with their length before them") {
  CHECK(clamd->head({}, 0) == std::string("zINSTREAM\0", 10));
  CHECK(clamd->piece("ab") == std::string("\0\0\0\2ab", 6));
  CHECK(clamd->piece(std::string(70'000, 'x')).substr(0, 4) == std::string("\0\1\x11\x70", 4));
  CHECK(clamd->tail() == std::string(4, '\0'));
}
