# check.pl PORT DOMAIN COUNT: seconds for one check by Mail::SPF.
use strict;
use warnings;
use Mail::SPF;
use Net::DNS::Resolver;
use Time::HiRes 'time';

my ($port, $domain, $count) = @ARGV;
my $resolver = Net::DNS::Resolver->new(nameservers => ['127.0.0.1'], port => $port, recurse => 1);
my $server = Mail::SPF::Server->new(dns_resolver => $resolver, hostname => 'bench');
my $check = sub {
    my $request = Mail::SPF::Request->new(
        scope => 'mfrom', identity => "carol\@$domain", ip_address => '192.0.2.9', helo_identity => 'mail.test');
    my $result = $server->process($request);
    die $result->local_explanation unless $result->code eq 'pass';
    $result->local_explanation;
};
$check->();
my $begin = time;
$check->() for 1 .. $count;
print +(time - $begin) / $count, "\n";
