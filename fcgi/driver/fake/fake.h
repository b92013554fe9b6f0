/* An engine in a file, for tests only: LODGE_DRIVERS=fake. Serves backend "docker" without any container. */
#ifndef LG_DRIVER_FAKE_H
#define LG_DRIVER_FAKE_H

#include "driver/driver.h"

extern const struct lg_driver lg_driver_fake;

#endif
