// SIGTERM, SIGINT and SIGHUP as events: blocked in every thread, and waited for in one.
#ifndef ECF8_TOOLS_ECF8D_SIGNALS_H_
#define ECF8_TOOLS_ECF8D_SIGNALS_H_

namespace ecf8 {

// To be called before any thread is started. Also ignores SIGPIPE: a log reader that goes away must
// not end the daemon.
void BlockSignals();

// Waits for one; returns its number.
int WaitForSignal();

// Takes a SIGTERM or SIGINT that has come since, without waiting.
bool TakeStopSignal();

}  // namespace ecf8

#endif  // ECF8_TOOLS_ECF8D_SIGNALS_H_
