// The rig's hand: five servos and their encoders behind i2c-stub.
//
// It closes the loop that a real hand closes: the runtime's pulses are read from the registers of the PCA9685,
// five servos follow them, and their angles are written into the registers of the encoders. Nothing here comes
// from the runtime's drivers: it is a second reading of the data sheets, so that a shared mistake would show.
//
//   rig-plant BUS DRIVE-ENABLE             preload the chips, print "ready", run until SIGTERM
//   rig-plant BUS DRIVE-ENABLE self-test   drive the registers itself and judge what the encoders say
//
// BUS is the device of the stub's adapter, DRIVE-ENABLE the file with the value of the simulated drive-enable line.
#include <errno.h>
#include <fcntl.h>
#include <linux/i2c-dev.h>
#include <linux/i2c.h>
#include <math.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

enum { JOINTS = 5, PWM_ADDRESS = 0x60 };

// Registers of the PCA9685, data sheet rev. 4, table 4.
enum {
  MODE1 = 0x00,
  MODE2 = 0x01,
  CHANNEL0 = 0x06,
  ALL_CHANNELS = 0xFA,
  PRE_SCALE = 0xFE,
  SLEEP = 0x10, // in MODE1
  FULL = 0x10,  // in the high bytes: always on, always off
  CHANNELS = 16,
};

// AS5048B: 14 bits at 0xFE, bits 13..6 first. AS5600: 12 bits at 0x0C, bits 11..8 first.
enum encoder { AS5048B, AS5600 };

// What rig-hand.yaml says of the hand, in the board's order.
static const struct {
  enum encoder encoder;
  uint8_t address;
  int zeroCounts, sign;
  double zeroSeconds, secondsPerRadian;
} joints[JOINTS] = {
    {AS5048B, 0x40, 1200, -1, 1000e-6, 636.6e-6},  // thumb: its magnet faces the other way
    {AS5048B, 0x41, 5000, 1, 1000e-6, 636.6e-6},   // index
    {AS5048B, 0x42, 9000, 1, 2000e-6, -636.6e-6},  // middle: its servo turns the other way
    {AS5048B, 0x43, 15000, 1, 1000e-6, 636.6e-6},  // ring: runs across the wrap of its encoder
    {AS5600, 0x36, 700, 1, 1000e-6, 636.6e-6},     // little
};

// A hobby servo: 6 Hz of bandwidth, 0.12 s for 60 degrees.
static const double bandwidth = 37.7, damping = 0.8, fastestRadiansPerSecond = 8.7;
// A joint without pulses is limp; the gear's friction stops it.
static const double limpDampingPerSecond = 30.0;
static const double oscillatorHertz = 25e6;
static const double lowerStop = -0.1, upperStop = 2.2;
static const long periodNanoseconds = 2000000;
static const double longestStepSeconds = 0.004;

static int bus;
static const char *killPath;
static volatile sig_atomic_t ended;

static void die(const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  fputs("rig-plant: ", stderr);
  vfprintf(stderr, format, arguments);
  fputc('\n', stderr);
  exit(1);
}

static void transfer(uint8_t address, char direction, uint8_t reg, int size, union i2c_smbus_data *data) {
  struct i2c_smbus_ioctl_data request = {
      .read_write = (__u8)direction, .command = reg, .size = (__u32)size, .data = data};
  // Forced: the check of the kernel's driver binds it to a chip of this bus.
  if (ioctl(bus, I2C_SLAVE_FORCE, (long)address) < 0 || ioctl(bus, I2C_SMBUS, &request) < 0)
    die("address 0x%02x, register 0x%02x: %s", address, reg, strerror(errno));
}

static uint8_t readByte(uint8_t address, uint8_t reg) {
  union i2c_smbus_data data;
  transfer(address, I2C_SMBUS_READ, reg, I2C_SMBUS_BYTE_DATA, &data);
  return data.byte;
}

static void writeByte(uint8_t address, uint8_t reg, uint8_t value) {
  union i2c_smbus_data data = {.byte = value};
  transfer(address, I2C_SMBUS_WRITE, reg, I2C_SMBUS_BYTE_DATA, &data);
}

// Big-endian, as on the wire. The stub keeps words and bytes apart: the word serves readers of words, the second
// byte readers of bytes and blocks.
static void writeBig(uint8_t address, uint8_t reg, uint8_t high, uint8_t low) {
  union i2c_smbus_data data = {.word = (uint16_t)(high | low << 8)};
  transfer(address, I2C_SMBUS_WRITE, reg, I2C_SMBUS_WORD_DATA, &data);
  writeByte(address, (uint8_t)(reg + 1), low);
}

static void readChannels(uint8_t registers[4 * JOINTS]) {
  union i2c_smbus_data data;
  data.block[0] = 4 * JOINTS;
  transfer(PWM_ADDRESS, I2C_SMBUS_READ, CHANNEL0, I2C_SMBUS_I2C_BLOCK_DATA, &data);
  memcpy(registers, data.block + 1, 4 * JOINTS);
}

static int countsPerTurn(int joint) { return joints[joint].encoder == AS5048B ? 16384 : 4096; }

static void writeAngle(int joint, double radians) {
  static int written[JOINTS] = {-1, -1, -1, -1, -1};
  int turn = countsPerTurn(joint);
  int counts = joints[joint].zeroCounts + joints[joint].sign * (int)lround(radians * turn / (2 * M_PI));
  counts = (counts % turn + turn) % turn;
  if (counts == written[joint]) return;
  written[joint] = counts;
  if (joints[joint].encoder == AS5048B) {
    writeBig(joints[joint].address, 0xFE, (uint8_t)(counts >> 6), counts & 0x3F);
  } else {
    writeBig(joints[joint].address, 0x0C, (uint8_t)(counts >> 8), counts & 0xFF);
    writeBig(joints[joint].address, 0x0E, (uint8_t)(counts >> 8), counts & 0xFF);
  }
}

static double readAngle(int joint) {
  int turn = countsPerTurn(joint), counts;
  if (joints[joint].encoder == AS5048B)
    counts = readByte(joints[joint].address, 0xFE) << 6 | readByte(joints[joint].address, 0xFF);
  else
    counts = readByte(joints[joint].address, 0x0C) << 8 | readByte(joints[joint].address, 0x0D);
  int bent = ((counts - joints[joint].zeroCounts) * joints[joint].sign % turn + turn) % turn;
  if (bent > turn / 2) bent -= turn;
  return bent * 2 * M_PI / turn;
}

// Registers as after power-on, with healthy magnets.
static void preload(void) {
  for (int channel = 0; channel < CHANNELS; channel++) {
    writeByte(PWM_ADDRESS, (uint8_t)(CHANNEL0 + 4 * channel + 2), 0);
    writeByte(PWM_ADDRESS, (uint8_t)(CHANNEL0 + 4 * channel + 3), FULL);
  }
  writeByte(PWM_ADDRESS, MODE1, 0x11); // asleep, answering at ALLCALL
  writeByte(PWM_ADDRESS, MODE2, 0x04);
  writeByte(PWM_ADDRESS, PRE_SCALE, 0x1E);
  for (int joint = 0; joint < JOINTS; joint++) {
    uint8_t address = joints[joint].address;
    if (joints[joint].encoder == AS5048B) {
      writeByte(address, 0xFA, 128);      // gain control in mid-range
      writeByte(address, 0xFB, 0x01);     // offset compensation finished, no overflow
      writeBig(address, 0xFC, 0x20, 0x00); // magnitude
    } else {
      writeByte(address, 0x0B, 0x20); // magnet found
      writeByte(address, 0x1A, 128);
      writeBig(address, 0x1B, 0x08, 0x00);
    }
  }
}

static int driveEnableLive(void) {
  char value = '0';
  int file = open(killPath, O_RDONLY | O_CLOEXEC);
  if (file < 0 || read(file, &value, 1) != 1) die("%s: %s", killPath, strerror(errno));
  close(file);
  return value == '1';
}

// A write to ALL_LED reaches every channel of a real chip; the stub only stores it.
static void spreadAllChannels(void) {
  uint8_t offHigh = readByte(PWM_ADDRESS, ALL_CHANNELS + 3);
  if (offHigh == 0) return;
  writeByte(PWM_ADDRESS, ALL_CHANNELS + 3, 0);
  for (int channel = 0; channel < CHANNELS; channel++)
    writeByte(PWM_ADDRESS, (uint8_t)(CHANNEL0 + 4 * channel + 3), offHigh);
}

// Length of the pulses of a channel, or NaN where there are none.
static double pulseSeconds(const uint8_t registers[4], uint8_t prescale) {
  int on = registers[0] | (registers[1] & 0x0F) << 8, off = registers[2] | (registers[3] & 0x0F) << 8;
  if ((registers[3] & FULL) || (registers[1] & FULL) || on == off) return NAN;
  return ((off - on + 4096) % 4096) * (prescale + 1) / oscillatorHertz;
}

static double commandedRadians(int joint, double pulse) {
  return (pulse - joints[joint].zeroSeconds) / joints[joint].secondsPerRadian;
}

static double position[JOINTS], velocity[JOINTS];

static void turn(int joint, double pulse, double seconds) {
  double before = position[joint];
  double acceleration =
      isnan(pulse) ? -limpDampingPerSecond * velocity[joint]
                   : bandwidth * bandwidth * (commandedRadians(joint, pulse) - before) -
                         2 * damping * bandwidth * velocity[joint];
  velocity[joint] += acceleration * seconds;
  velocity[joint] = fmin(fmax(velocity[joint], -fastestRadiansPerSecond), fastestRadiansPerSecond);
  position[joint] = fmin(fmax(before + velocity[joint] * seconds, lowerStop), upperStop);
  if (position[joint] == lowerStop || position[joint] == upperStop) velocity[joint] = 0;
}

// Lets the time since the last call pass, in small steps, with the pulses that stand in the registers.
static void pass(double seconds) {
  spreadAllChannels();
  uint8_t registers[4 * JOINTS];
  readChannels(registers);
  uint8_t prescale = readByte(PWM_ADDRESS, PRE_SCALE);
  int powered = driveEnableLive() && !(readByte(PWM_ADDRESS, MODE1) & SLEEP);
  int steps = (int)ceil(seconds / longestStepSeconds);
  for (int joint = 0; joint < JOINTS; joint++) {
    double pulse = powered ? pulseSeconds(registers + 4 * joint, prescale) : NAN;
    for (int index = 0; index < steps; index++) turn(joint, pulse, seconds / steps);
    writeAngle(joint, position[joint]);
  }
}

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

// Runs for `seconds`, or until a signal. A guest that stood still is made up for in small steps, but never more
// than a tenth of a second of them.
static void run(double seconds) {
  double end = now() + seconds, last = now();
  while (!ended && now() < end) {
    nanosleep(&(struct timespec){.tv_nsec = periodNanoseconds}, NULL);
    double present = now(), passed = fmin(present - last, 0.1);
    last = present;
    pass(passed);
  }
}

static void end(int signal) {
  (void)signal;
  ended = 1;
}

static void setPulse(int channel, int counts) {
  uint8_t base = (uint8_t)(CHANNEL0 + 4 * channel);
  writeByte(PWM_ADDRESS, base, 0);
  writeByte(PWM_ADDRESS, (uint8_t)(base + 1), 0);
  writeByte(PWM_ADDRESS, (uint8_t)(base + 2), (uint8_t)counts);
  writeByte(PWM_ADDRESS, (uint8_t)(base + 3), (uint8_t)(counts >> 8));
}

static void expectAngle(const char *when, int joint, double wanted) {
  double found = readAngle(joint);
  // Two counts of the coarsest encoder.
  if (fabs(found - wanted) > 2 * 2 * M_PI / 4096)
    die("%s: joint %d stands at %.4f rad, expected %.4f", when, joint, found, wanted);
}

// The drive-enable line must be live. At prescaler 121 a count is 4.88 us: 307 counts are 1498.2 us.
static void selfTest(void) {
  enum { prescale = 121, counts = 307 };
  double pulse = counts * (prescale + 1) / oscillatorHertz;
  run(0.1);
  for (int joint = 0; joint < JOINTS; joint++) expectAngle("asleep", joint, 0);
  writeByte(PWM_ADDRESS, PRE_SCALE, prescale);
  writeByte(PWM_ADDRESS, MODE1, 0x20);
  for (int joint = 0; joint < JOINTS; joint++) setPulse(joint, counts);
  run(1.5);
  for (int joint = 0; joint < JOINTS; joint++)
    expectAngle("after 1498.2 us", joint, commandedRadians(joint, pulse));
  writeByte(PWM_ADDRESS, ALL_CHANNELS + 3, FULL);
  run(0.1);
  uint8_t registers[4 * JOINTS];
  readChannels(registers);
  if (registers[3] != FULL || registers[4 * JOINTS - 1] != FULL) die("ALL_LED_OFF did not reach the channels");
  for (int joint = 0; joint < JOINTS; joint++) expectAngle("limp", joint, commandedRadians(joint, pulse));
  preload();
  for (int joint = 0; joint < JOINTS; joint++) writeAngle(joint, 0);
  printf("5 servos at %.4f rad after 1498.2 us, limp after ALL_LED_OFF\n", commandedRadians(0, pulse));
}

int main(int count, char **arguments) {
  if (count < 3) die("usage: rig-plant BUS DRIVE-ENABLE [self-test]");
  killPath = arguments[2];
  bus = open(arguments[1], O_RDWR | O_CLOEXEC);
  if (bus < 0) die("%s: %s", arguments[1], strerror(errno));
  // A hand waits for no program: neither the runtime's threads nor the checks may hold it up.
  if (sched_setscheduler(0, SCHED_FIFO, &(struct sched_param){.sched_priority = 90}) < 0)
    die("SCHED_FIFO 90: %s", strerror(errno));
  signal(SIGTERM, end);
  signal(SIGINT, end);
  preload();
  for (int joint = 0; joint < JOINTS; joint++) writeAngle(joint, 0);
  if (count > 3 && strcmp(arguments[3], "self-test") == 0) {
    selfTest();
    return 0;
  }
  puts("ready");
  fflush(stdout);
  run(INFINITY);
  return 0;
}
