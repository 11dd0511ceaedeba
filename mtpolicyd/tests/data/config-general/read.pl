#!/usr/bin/perl
# Reads texts with Config::General as mtpolicyd 2.05 does: JSON in, a list of texts; JSON out, for each the tree or the error.
use strict;
use warnings;
use Config::General;
use JSON::PP;
use Tie::IxHash;

local $SIG{__WARN__} = sub { };

sub tree {
    my ($block) = @_;
    return [ map { my $value = $block->{$_}; [ $_, ref $value eq 'HASH' ? { block => tree($value) } : $value ] } keys %$block ];
}

my $json = JSON::PP->new->latin1->allow_nonref->canonical;
local $/;
my @results;
for my $text ( @{ $json->decode(<STDIN>) } ) {
    my $file = "$ARGV[0]/main.conf";
    open my $out, '>', $file or die;
    print $out $text;
    close $out;
    my $result = eval {
        my $config = Config::General->new( -AllowMultiOptions => 'no', -ConfigFile => $file, -Tie => 'Tie::IxHash' );
        tree( { $config->getall } );
    };
    if ( my $error = $@ ) { $error =~ s/ at \S+ line \d+\.\n\z//; $result = { error => $error } }
    else { $result = [ sort { $a->[0] cmp $b->[0] } @$result ] }
    push @results, $result;
}
print $json->encode( \@results );
