# lists.pl PORT ZONE,... COUNT: seconds for one client, all lists asked one after the other by Net::DNS.
use strict;
use warnings;
use Net::DNS::Resolver;
use Time::HiRes 'time';

my ($port, $zones, $count) = @ARGV;
my $resolver = Net::DNS::Resolver->new(nameservers => ['127.0.0.1'], port => $port, recurse => 1);
my @zones = split /,/, $zones;
my $begin = time;
for (1 .. $count) {
    $resolver->send("9.2.0.192.$_", 'A') or die for @zones;
}
print +(time - $begin) / $count, "\n";
