// SPDX-License-Identifier: MIT OR GPL-2.0-only
/*
 * Two network cards at the ends of one wire, each with a PTP hardware clock that stamps every
 * packet: for hosts that have no such card.
 *
 * Model: each card's clock counts the kernel's raw clock, faster by a crystal error in ppb
 * (parameter `ppb`) and by what adjfine asks for. A packet leaves at the moment that it is handed
 * over and arrives `wire_ns` later. So all that a program can get wrong about the two clocks is its
 * own. The cards stay until the host ends.
 */
#include <linux/ethtool.h>
#include <linux/etherdevice.h>
#include <linux/math64.h>
#include <linux/module.h>
#include <linux/net_tstamp.h>
#include <linux/netdevice.h>
#include <linux/ptp_clock_kernel.h>
#include <linux/rtnetlink.h>
#include <linux/timekeeping.h>

static int ppb[2];
module_param_array(ppb, int, NULL, 0444);
MODULE_PARM_DESC(ppb, "errors of the two crystals, parts in 10^9");
static int wire_ns = 1000;
module_param(wire_ns, int, 0444);
MODULE_PARM_DESC(wire_ns, "delay of the wire, in ns");
static bool cross;
module_param(cross, bool, 0644);
MODULE_PARM_DESC(cross, "whether the cards can read their clock and the host's at one moment");
static bool plain;
module_param(plain, bool, 0444);
MODULE_PARM_DESC(plain, "whether the driver tells nothing but the time of its clock, as old ones do");
static bool silent;
module_param(silent, bool, 0644);
MODULE_PARM_DESC(silent, "whether the second card takes orders to stamp what it sends, and never tells");

struct card {
	struct net_device *peer;
	struct ptp_clock *clock;
	struct ptp_clock_info info;
	struct hwtstamp_config config;
	spinlock_t lock;
	/* The clock's time at a moment of the raw clock, and how much faster it runs. */
	s64 base_ns, base_raw_ns, crystal_ppb, adjusted_ppb;
};

static struct net_device *cards[2];

static s64 time_at(struct card *card, s64 raw_ns)
{
	s64 since = raw_ns - card->base_raw_ns;

	return card->base_ns + since + div_s64(since * (card->crystal_ppb + card->adjusted_ppb), 1000000000);
}

static s64 time_at_locked(struct card *card, s64 raw_ns)
{
	unsigned long flags;
	s64 time;

	spin_lock_irqsave(&card->lock, flags);
	time = time_at(card, raw_ns);
	spin_unlock_irqrestore(&card->lock, flags);
	return time;
}

static struct card *card_of(struct ptp_clock_info *info)
{
	return container_of(info, struct card, info);
}

/* Begins anew at the present time, moved by `step_ns`. */
static void rebase(struct card *card, s64 step_ns)
{
	s64 raw = ktime_get_raw_ns();

	card->base_ns = time_at(card, raw) + step_ns;
	card->base_raw_ns = raw;
}

static int clock_adjfine(struct ptp_clock_info *info, long scaled_ppm)
{
	struct card *card = card_of(info);
	unsigned long flags;

	spin_lock_irqsave(&card->lock, flags);
	rebase(card, 0);
	card->adjusted_ppb = scaled_ppm_to_ppb(scaled_ppm);
	spin_unlock_irqrestore(&card->lock, flags);
	return 0;
}

static int clock_adjtime(struct ptp_clock_info *info, s64 delta)
{
	struct card *card = card_of(info);
	unsigned long flags;

	spin_lock_irqsave(&card->lock, flags);
	rebase(card, delta);
	spin_unlock_irqrestore(&card->lock, flags);
	return 0;
}

static int clock_gettimex64(struct ptp_clock_info *info, struct timespec64 *time, struct ptp_system_timestamp *system)
{
	s64 raw;

	ptp_read_system_prets(system);
	raw = ktime_get_raw_ns();
	ptp_read_system_postts(system);
	*time = ns_to_timespec64(time_at_locked(card_of(info), raw));
	return 0;
}

static int clock_gettime64(struct ptp_clock_info *info, struct timespec64 *time)
{
	return clock_gettimex64(info, time, NULL);
}

static int clock_settime64(struct ptp_clock_info *info, const struct timespec64 *time)
{
	struct card *card = card_of(info);
	unsigned long flags;

	spin_lock_irqsave(&card->lock, flags);
	card->base_ns = timespec64_to_ns(time);
	card->base_raw_ns = ktime_get_raw_ns();
	spin_unlock_irqrestore(&card->lock, flags);
	return 0;
}

static int clock_getcrosststamp(struct ptp_clock_info *info, struct system_device_crosststamp *both)
{
	struct system_time_snapshot now;

	if (!cross)
		return -EOPNOTSUPP;
	ktime_get_snapshot(&now);
	both->device = ns_to_ktime(time_at_locked(card_of(info), ktime_to_ns(now.raw)));
	both->sys_realtime = now.real;
	both->sys_monoraw = now.raw;
	return 0;
}

static int clock_enable(struct ptp_clock_info *info, struct ptp_clock_request *request, int on)
{
	return -EOPNOTSUPP;
}

static netdev_tx_t card_xmit(struct sk_buff *skb, struct net_device *dev)
{
	struct card *card = netdev_priv(dev), *other = netdev_priv(card->peer);
	s64 raw = ktime_get_raw_ns();
	bool is_stamped = (skb_shinfo(skb)->tx_flags & SKBTX_HW_TSTAMP) && card->config.tx_type == HWTSTAMP_TX_ON;
	struct sk_buff *arrived = skb_copy(skb, GFP_ATOMIC);

	if (is_stamped)
		skb_shinfo(skb)->tx_flags |= SKBTX_IN_PROGRESS;
	skb_tx_timestamp(skb);
	if (is_stamped && !(silent && dev == cards[1])) {
		struct skb_shared_hwtstamps left = { .hwtstamp = ns_to_ktime(time_at_locked(card, raw)) };

		skb_tstamp_tx(skb, &left);
	}
	dev->stats.tx_packets++;
	dev_consume_skb_any(skb);
	if (!arrived) {
		dev->stats.tx_dropped++;
		return NETDEV_TX_OK;
	}
	if (other->config.rx_filter != HWTSTAMP_FILTER_NONE)
		skb_hwtstamps(arrived)->hwtstamp = ns_to_ktime(time_at_locked(other, raw + wire_ns));
	dev_forward_skb(card->peer, arrived);
	return NETDEV_TX_OK;
}

static int card_ioctl(struct net_device *dev, struct ifreq *request, int command)
{
	struct card *card = netdev_priv(dev);
	struct hwtstamp_config wanted;

	switch (command) {
	case SIOCSHWTSTAMP:
		if (copy_from_user(&wanted, request->ifr_data, sizeof(wanted)))
			return -EFAULT;
		if (wanted.tx_type != HWTSTAMP_TX_OFF && wanted.tx_type != HWTSTAMP_TX_ON)
			return -ERANGE;
		/* As many a card does: it stamps more than it was asked for. */
		if (wanted.rx_filter != HWTSTAMP_FILTER_NONE)
			wanted.rx_filter = HWTSTAMP_FILTER_ALL;
		card->config = wanted;
		fallthrough;
	case SIOCGHWTSTAMP:
		return copy_to_user(request->ifr_data, &card->config, sizeof(card->config)) ? -EFAULT : 0;
	default:
		return -EOPNOTSUPP;
	}
}

static int card_ts_info(struct net_device *dev, struct ethtool_ts_info *info)
{
	struct card *card = netdev_priv(dev);

	info->so_timestamping = SOF_TIMESTAMPING_TX_HARDWARE | SOF_TIMESTAMPING_RX_HARDWARE |
				SOF_TIMESTAMPING_RAW_HARDWARE | SOF_TIMESTAMPING_TX_SOFTWARE |
				SOF_TIMESTAMPING_RX_SOFTWARE | SOF_TIMESTAMPING_SOFTWARE;
	info->phc_index = ptp_clock_index(card->clock);
	info->tx_types = BIT(HWTSTAMP_TX_OFF) | BIT(HWTSTAMP_TX_ON);
	info->rx_filters = BIT(HWTSTAMP_FILTER_NONE) | BIT(HWTSTAMP_FILTER_ALL);
	return 0;
}

static const struct net_device_ops card_ops = {
	.ndo_start_xmit = card_xmit,
	.ndo_eth_ioctl = card_ioctl,
	.ndo_set_mac_address = eth_mac_addr,
};

static const struct ethtool_ops card_ethtool_ops = {
	.get_link = ethtool_op_get_link,
	.get_ts_info = card_ts_info,
};

static void card_setup(struct net_device *dev)
{
	ether_setup(dev);
	dev->netdev_ops = &card_ops;
	dev->ethtool_ops = &card_ethtool_ops;
	eth_hw_addr_random(dev);
}

static struct net_device *make_card(int index)
{
	struct net_device *dev = alloc_netdev(sizeof(struct card), "hw%d", NET_NAME_ENUM, card_setup);
	struct card *card;

	if (!dev)
		return NULL;
	card = netdev_priv(dev);
	spin_lock_init(&card->lock);
	card->crystal_ppb = ppb[index];
	card->base_ns = ktime_get_real_ns();
	card->base_raw_ns = ktime_get_raw_ns();
	card->info = (struct ptp_clock_info){
		.owner = THIS_MODULE,
		.name = "stamping_nic",
		.max_adj = 500000,
		.adjfine = clock_adjfine,
		.adjtime = clock_adjtime,
		.gettimex64 = plain ? NULL : clock_gettimex64,
		.gettime64 = clock_gettime64,
		.settime64 = clock_settime64,
		.enable = clock_enable,
		.getcrosststamp = plain ? NULL : clock_getcrosststamp,
	};
	card->clock = ptp_clock_register(&card->info, NULL);
	if (IS_ERR_OR_NULL(card->clock)) {
		free_netdev(dev);
		return NULL;
	}
	return dev;
}

static int __init stamping_nic_init(void)
{
	int index;

	for (index = 0; index < 2; index++) {
		cards[index] = make_card(index);
		if (!cards[index])
			return -ENOMEM;
	}
	for (index = 0; index < 2; index++) {
		struct card *card = netdev_priv(cards[index]);

		card->peer = cards[1 - index];
		if (register_netdev(cards[index]))
			return -EIO;
	}
	return 0;
}
module_init(stamping_nic_init);

MODULE_DESCRIPTION("A wire between two cards with PTP hardware clocks");
MODULE_LICENSE("Dual MIT/GPL");
