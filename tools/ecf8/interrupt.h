// ^C in two steps: the first asks the command to stop, the second kills.
#ifndef ECF8_TOOLS_ECF8_INTERRUPT_H_
#define ECF8_TOOLS_ECF8_INTERRUPT_H_

#include <atomic>

namespace ecf8 {

// Installs handlers of SIGINT and SIGTERM and returns the flag that the first of them sets. The
// second signal, of either kind, has its default effect.
const std::atomic<bool>* InstallInterruptHandler();

}  // namespace ecf8

#endif  // ECF8_TOOLS_ECF8_INTERRUPT_H_
