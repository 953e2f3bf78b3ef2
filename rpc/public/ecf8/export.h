// What of the library is seen outside of it, and what of that is not.
#ifndef ECF8_EXPORT_H_
#define ECF8_EXPORT_H_

#define ECF8_EXPORT __attribute__((visibility("default")))
#define ECF8_HIDDEN __attribute__((visibility("hidden")))

#endif  // ECF8_EXPORT_H_
