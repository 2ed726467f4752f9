/* SPDX-License-Identifier: MIT */
/* advice.h - what to do about what a check found. */
#ifndef NETCHECK_ADVICE_H
#define NETCHECK_ADVICE_H

#include "netcheck/report.h"

/* name, word for programs, for people. */
#define NETCHECK_ADVICE(X)                                                     \
	X(ADVICE_NO_ROUTE, "no-route",                                         \
	  "This machine has no way to any address of the service: connect "    \
	  "it to a network.")                                                  \
	X(ADVICE_NOBODY_THERE, "nobody-there",                                 \
	  "The network says that nothing listens at this address and port: "   \
	  "check both, and that the service runs.")                            \
	X(ADVICE_UDP_BLOCKED, "udp-blocked",                                   \
	  "Nothing comes back by UDP: have UDP to this port let out (and its " \
	  "answers in), or use the Web Service transport if the service has "  \
	  "one.")                                                              \
	X(ADVICE_WEB_USED, "udp-blocked-web",                                  \
	  "Nothing comes back by UDP, but the Web Service answers: devices "   \
	  "use it by themselves; have UDP to this port let out to be told "    \
	  "sooner.")                                                           \
	X(ADVICE_WEB_DEAD, "web-dead",                                         \
	  "The Web Service does not answer here: a device is cut off where "   \
	  "UDP is blocked.")                                                   \
	X(ADVICE_NO_STUN, "no-stun",                                           \
	  "The service can be used, but does not answer STUN: give another "   \
	  "STUN server as SERVER to learn more of this network.")              \
	X(ADVICE_NO_CONNECTION, "no-connection",                               \
	  "UDP is open, but the connection of this device fails: see above.")  \
	X(ADVICE_IPV4_DEAD, "ipv4-dead",                                       \
	  "IPv4 does not reach the service, IPv6 does: it is used, after a "   \
	  "quarter of a second; have IPv4 repaired.")                          \
	X(ADVICE_IPV6_DEAD, "ipv6-dead",                                       \
	  "IPv6 does not reach the service, IPv4 does: it is used, after a "   \
	  "quarter of a second; have IPv6 repaired.")                          \
	X(ADVICE_SYMMETRIC, "symmetric-nat",                                   \
	  "The NAT shows another address to each destination: publications "   \
	  "arrive, but direct connections between devices need a relay.")      \
	X(ADVICE_LIFETIME, "short-lifetime",                                   \
	  "The NAT forgets a silent device in less than 30 s: heartbeats are " \
	  "sent as often, which costs battery; raise its timeout for UDP "     \
	  "(RFC 4787 wants 2 minutes or more).")                               \
	X(ADVICE_SIZE_UP, "mtu-too-small",                                     \
	  "Datagrams of 1200 octets do not pass, which the service needs: "    \
	  "raise the MTU of the link or the tunnel to 1280 or more.")          \
	X(ADVICE_SIZE_DOWN, "mtu-too-small-down",                              \
	  "Answers of 1200 octets do not arrive: raise the MTU of the link "   \
	  "or the tunnel, and let fragments through.")                         \
	X(ADVICE_LOSS, "loss",                                                 \
	  "More than 5 % of round trips get lost: publications are repeated "  \
	  "until they arrive, but come later; look at the radio link or the "  \
	  "load of the line.")                                                 \
	X(ADVICE_CLOCK, "clock",                                               \
	  "The clocks of this machine and of the service differ by more than " \
	  "5 s: switch on time synchronisation where it is missing.")

#define NETCHECK_ADVICE_ENUM(name, word, text) name,
enum advice { ADVICE_ZERO, NETCHECK_ADVICE(NETCHECK_ADVICE_ENUM) ADVICE_MAX };
#undef NETCHECK_ADVICE_ENUM

/* The most important one first. @return how many; 0: all is well */
size_t advice_of(const struct report *r, enum advice out[ADVICE_MAX]);

const char *advice_word(enum advice a); /* static */
const char *advice_text(enum advice a);

#endif
